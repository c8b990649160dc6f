"""Finds the lines of a page: level ones, large ones, and those that run across it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.line_directions import OrientedArea, orient, page_direction
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.engines.text_areas import TextArea, find_text_areas
from ocrstream_worker.engines.text_map import Network, TextMap, map_large_text, map_text

# Higher letters are found in pieces at the scale that suits small ones.
_LARGE_HEIGHT = 240
# Smaller pages, counted in values of three channels, have no room for such letters.
_ROOM_FOR_LARGE = 3 * 1_000_000
# The height of a letter's pieces, as a fraction of the letter; lines of a paragraph are lower.
_PIECE_HEIGHT = 0.25
# Paper on either side of a line that runs across the page, in line heights.
_STRIP_MARGIN = 0.7
_UPRIGHT = 0.9
_LONG_RATIO = 3.0
_LEVEL_RATIO = 1.5
# More strips than this are not margin notes: their areas stay as found.
_MAX_STRIPS = 12


@dataclass(frozen=True)
class PageAreas:
    """The areas, and the direction of most of them: to the right, or down.

    `alternatives`: either the first of these areas is text, or all the others, which it contains.
    They are a line across the page that was found in pieces, or a column of a table. Numbers index
    `areas`.
    """

    areas: list[OrientedArea]
    direction: NDArray[np.float64]
    text: TextMap
    alternatives: list[tuple[int, list[int]]]


def find_page_areas(image: RgbImage, network: Network, threshold: float) -> PageAreas:
    """Finds areas whose mean probability is at least `threshold`."""
    text = map_text(image, network)
    areas = find_text_areas(text, threshold)
    if image.size > _ROOM_FOR_LARGE:
        large = find_text_areas(map_large_text(image, network), threshold)
        areas = _replaced(areas, [area for area in large if _is_one_line(area, areas)])
    direction = page_direction(areas)
    strips = _strips([orient(area, direction) for area in areas], image.shape[1])
    level = [area for area in areas if _is_level(area)]
    across = [
        line
        for strip in (strips if len(strips) <= _MAX_STRIPS else ())
        for line in _long_areas(
            map_text(np.rot90(image[:, strip]), network, text.scale), strip.stop, threshold
        )
        # Not a column of a table, its head and figures below each other.
        if not any(_contains(line, area.center) for area in level)
    ]
    alternatives = [
        (len(areas) + n, [m for m, area in enumerate(areas) if _contains(line, area.center)])
        for n, line in enumerate(across)
    ]
    directed = [orient(area, direction) for area in (*areas, *across)]
    return PageAreas(directed, direction, text, alternatives)


def _replaced(areas: Sequence[TextArea], better: Sequence[TextArea]) -> list[TextArea]:
    """Replaces the areas that lie within better ones."""
    left = [area for area in areas if not any(_contains(one, area.center) for one in better)]
    return [*left, *better]


def _is_one_line(large: TextArea, areas: Sequence[TextArea]) -> bool:
    """Whether an area of the shrunk page is a line of large letters, not a paragraph."""
    if large.height <= _LARGE_HEIGHT:
        return False
    pieces = [area for area in areas if _contains(large, area.center)]
    low = sum(area.length for area in pieces if area.height < _PIECE_HEIGHT * large.height)
    return 2 * low <= sum(area.length for area in pieces)


def _contains(area: TextArea, point: NDArray[np.float64]) -> bool:
    x, y = area.along
    across, along = np.array([-y, x]) @ (point - area.center), area.along @ (point - area.center)
    return bool(abs(along) <= area.length / 2 and abs(across) <= area.height / 2)


def _strips(areas: Sequence[OrientedArea], width: int) -> list[slice]:
    """Columns of the image with lines that run up or down a page that is read to the right."""
    strips: list[slice] = []
    perpendicular = [
        area for area in areas if area.perpendicular and abs(area.direction[1]) > _UPRIGHT
    ]
    for area in sorted(perpendicular, key=lambda one: float(one.corners[:, 0].min())):
        across = area.corners[:, 0]
        room = _STRIP_MARGIN * area.height
        left, right = max(0, int(across.min() - room)), min(width, int(across.max() + room))
        if strips and left < strips[-1].stop:
            strips[-1] = slice(strips[-1].start, max(strips[-1].stop, right))
        else:
            strips.append(slice(left, right))
    return strips


def _is_level(area: TextArea) -> bool:
    return area.length > _LEVEL_RATIO * area.height and abs(area.along[0]) > _UPRIGHT


def _long_areas(text: TextMap, right: int, threshold: float) -> Iterator[TextArea]:
    """Long areas of a strip that was turned to the left, mapped back to the page.

    A network trained on level lines finds other lines in pieces, their figures one by one.
    """
    for area in find_text_areas(text, threshold):
        (x, y), (along, down) = area.center, area.along
        if area.length > _LONG_RATIO * area.height and abs(along) > abs(down):
            yield replace(area, center=np.array([right - y, x]), along=np.array([-down, along]))
