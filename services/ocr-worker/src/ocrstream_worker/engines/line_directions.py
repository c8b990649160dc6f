"""Which way the lines of a page run: geometry alone, before any of them is read.

The longer side of an area tells the line along which it is read, not from which end. That is for
the page to say, and for single lines where they are turned against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import TURNS, Turn
from ocrstream_worker.engines.text_areas import TextArea

# An area that is squarer does not tell along which of its sides it is read.
_LONG_RATIO = 1.5
_SQUARE_RATIO = 1.15
# The angle of a short area is known to some degrees only: within three it is taken for the page's.
_SHORT_RATIO = 8.0
_NEARLY = math.cos(math.radians(3))


@dataclass(frozen=True)
class OrientedArea:
    """An area that is read along `direction`, of length 1, in the page's pixels.

    `aside`: it runs across the page's lines.
    """

    center: NDArray[np.float64]
    direction: NDArray[np.float64]
    length: float
    height: float
    aside: bool = False

    @property
    def corners(self) -> NDArray[np.float64]:
        """Four `[x, y]`, clockwise from where the text's own top left is."""
        along = self.direction * (self.length / 2)
        down = _turned_right(self.direction) * (self.height / 2)
        return self.center + np.array([-along - down, along - down, along + down, down - along])

    def widened(self, share: float) -> "OrientedArea":
        """Longer at either end by this share of its height."""
        return replace(self, length=self.length + 2 * share * self.height)

    def reversed(self) -> "OrientedArea":
        """The same area, read from its other end."""
        return replace(self, direction=-self.direction)

    def stood_up(self, page: NDArray[np.float64]) -> "OrientedArea":
        """The same area, read as the page is, along its shorter side."""
        return OrientedArea(self.center, page, length=self.height, height=self.length)


def page_direction(areas: Sequence[TextArea]) -> NDArray[np.float64]:
    """The direction to the right, or down, in which most of the page's text runs.

    Areas count by how much longer than high they are. It is skewed as the middle one of those that
    run this way is.
    """
    weights = np.array([max(0.0, area.length - _SQUARE_RATIO * area.height) for area in areas])
    if not weights.any():
        return np.array([1.0, 0.0])
    angles = np.array([math.atan2(area.along[1], area.along[0]) for area in areas])
    upright = np.abs(np.sin(angles)) > math.sqrt(0.5)
    is_upright = bool(weights[upright].sum() > weights[~upright].sum())
    of_page = upright == is_upright
    base = math.pi / 2 if is_upright else 0.0
    # Angles are the same after half a turn; between -90 and 90 degrees of the base each is near 0.
    skews = (angles[of_page] - base + math.pi / 2) % math.pi - math.pi / 2
    angle = base + _weighted_median(skews, weights[of_page])
    return np.array([math.cos(angle), math.sin(angle)])


def direct(area: TextArea, page: NDArray[np.float64]) -> OrientedArea:
    """The area, read as the page is, or across it if its shape says so: then to the page's right.

    To the right of a page that is read to the right is downwards.
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
    aside = abs(float(area.along @ page)) < math.sqrt(0.5)
    wanted = _turned_right(page) if aside else page
    alike = float(area.along @ wanted)
    direction = area.along if alike > 0 else -area.along
    if area.length < _SHORT_RATIO * area.height and abs(alike) > _NEARLY:
        direction = wanted
    return OrientedArea(area.center, direction, area.length, area.height, aside)


def turn_and_skew(direction: NDArray[np.float64]) -> tuple[Turn, float]:
    """By how many degrees clockwise a page whose text runs this way must be turned so that it runs

    to the right; and by how many, -45 to 45, it then still rises.
    """
    # How far the text's direction is turned clockwise, as y points down.
    degrees = math.degrees(math.atan2(direction[1], direction[0]))
    quarters = round(degrees / 90)
    return TURNS[-quarters % 4], 90 * quarters - degrees


def _is_long(area: TextArea) -> bool:
    return area.length >= _LONG_RATIO * area.height


def _turned_right(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """A quarter turn clockwise, as y points down."""
    return np.array([-direction[1], direction[0]])


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])
