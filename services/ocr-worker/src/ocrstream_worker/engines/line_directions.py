"""The direction of each line of a page, from geometry alone, before recognition.

The longer side of an area tells along which axis its text runs, but not from which end. The page
decides that, or the recogniser for single lines that run the other way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import TURNS, Turn
from ocrstream_worker.engines.text_areas import TextArea

# The shape of an area with a smaller ratio does not tell along which side its text runs.
_LONG_RATIO = 1.5
_SQUARE_RATIO = 1.15
# The angle of a shorter area is imprecise: within three degrees it is taken for the page's.
_SHORT_RATIO = 8.0
_NEARLY = math.cos(math.radians(3))


@dataclass(frozen=True)
class OrientedArea:
    """An area whose text runs along `direction`, a unit vector in the page's pixels.

    `perpendicular`: it runs across the page's lines.
    """

    center: NDArray[np.float64]
    direction: NDArray[np.float64]
    length: float
    height: float
    perpendicular: bool = False

    @property
    def corners(self) -> NDArray[np.float64]:
        """Four `[x, y]`, clockwise from the text's own top left."""
        along = self.direction * (self.length / 2)
        down = _turned_right(self.direction) * (self.height / 2)
        return self.center + np.array([-along - down, along - down, along + down, down - along])

    def padded(self, share: float) -> "OrientedArea":
        """Extends both ends by this fraction of the height."""
        return replace(self, length=self.length + 2 * share * self.height)

    def reversed(self) -> "OrientedArea":
        """The same area, read from its other end."""
        return replace(self, direction=-self.direction)

    def aligned_with(self, page: NDArray[np.float64]) -> "OrientedArea":
        """The same area, read along its shorter side, in the page's direction."""
        return OrientedArea(self.center, page, length=self.height, height=self.length)


def page_direction(areas: Sequence[TextArea]) -> NDArray[np.float64]:
    """The direction, to the right or down, of most of the page's text.

    An area's weight is how much longer than high it is. The skew is the weighted median of the
    areas with this direction.
    """
    weights = np.array([max(0.0, area.length - _SQUARE_RATIO * area.height) for area in areas])
    if not weights.any():
        return np.array([1.0, 0.0])
    angles = np.array([math.atan2(area.along[1], area.along[0]) for area in areas])
    upright = np.abs(np.sin(angles)) > math.sqrt(0.5)
    is_upright = bool(weights[upright].sum() > weights[~upright].sum())
    in_majority = upright == is_upright
    base = math.pi / 2 if is_upright else 0.0
    # Half a turn makes no difference, so each angle becomes one between -90 and 90 of the base.
    skews = (angles[in_majority] - base + math.pi / 2) % math.pi - math.pi / 2
    angle = base + _weighted_median(skews, weights[in_majority])
    return np.array([math.cos(angle), math.sin(angle)])


def orient(area: TextArea, page: NDArray[np.float64]) -> OrientedArea:
    """Gives the area the page's direction, or the perpendicular one if its shape says so.

    Perpendicular text runs to the page's right: on a page that is read to the right, downwards.
    """
    if not _is_long(area):
        sides = [
            (sign * side, length, height)
            for side, length, height in (
                (area.along, area.length, area.height),
                (_turned_right(area.along), area.height, area.length),
            )
            for sign in (1, -1)
        ]
        direction, length, height = max(sides, key=lambda one: float(one[0] @ page))
        return OrientedArea(area.center, direction, length, height)
    perpendicular = abs(float(area.along @ page)) < math.sqrt(0.5)
    target = _turned_right(page) if perpendicular else page
    cosine = float(area.along @ target)
    direction = area.along if cosine > 0 else -area.along
    if area.length < _SHORT_RATIO * area.height and abs(cosine) > _NEARLY:
        direction = target
    return OrientedArea(area.center, direction, area.length, area.height, perpendicular)


def turn_and_skew(direction: NDArray[np.float64]) -> tuple[Turn, float]:
    """The degrees clockwise by which a page is turned, so that text of this direction runs right.

    Also the degrees, -45 to 45, by which the text then still rises.
    """
    # The angle of the text's direction, clockwise, as y points down.
    degrees = math.degrees(math.atan2(direction[1], direction[0]))
    quarters = round(degrees / 90)
    return TURNS[-quarters % 4], 90 * quarters - degrees


def _is_long(area: TextArea) -> bool:
    return area.length >= _LONG_RATIO * area.height


def _turned_right(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns by a quarter clockwise, as y points down."""
    return np.array([-direction[1], direction[0]])


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
