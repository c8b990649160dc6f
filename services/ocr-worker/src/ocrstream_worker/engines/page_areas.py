"""Where the lines of a page are: level ones, large ones, and those that run across it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.line_directions import OrientedArea, direct, page_direction
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.engines.text_areas import TextArea, find_text_areas
from ocrstream_worker.engines.text_map import Network, TextMap, map_large_text, map_text

# Letters higher than that are found in pieces at the scale at which small ones are found.
_LARGE_HEIGHT = 240
# They do not fit on smaller pages, in values of three channels.
_ROOM_FOR_LARGE = 3 * 1_000_000
# Pieces of letters are at least so high, in shares of them; lines of a paragraph are not.
_PIECE_HEIGHT = 0.25
# Paper on either side of a line that runs across the page, in its heights.
_AROUND = 0.7
_UPRIGHT = 0.9
_LONG_RATIO = 3.0
_LEVEL_RATIO = 1.5
# More of them are no margin notes, and are left as they were found.
_MAX_STRIPS = 12


@dataclass(frozen=True)
class PageAreas:
    """Areas and the direction in which most of them run: to the right, or down.

    `rivals`: of these areas one is text, the first or all others, which lie on it: a line across
    the page that was found in pieces, or a column of a table. Numbers of `areas`.
    """

    areas: list[OrientedArea]
    direction: NDArray[np.float64]
    text: TextMap
    rivals: list[tuple[int, list[int]]]


def find_page_areas(image: RgbImage, network: Network, threshold: float) -> PageAreas:
    """`threshold`: areas that the network is less sure of are no text."""
    text = map_text(image, network)
    areas = find_text_areas(text, threshold)
    if image.size > _ROOM_FOR_LARGE:
        large = find_text_areas(map_large_text(image, network), threshold)
        areas = _replaced(areas, [area for area in large if _is_one_line(area, areas)])
    direction = page_direction(areas)
    strips = _strips([direct(area, direction) for area in areas], image.shape[1])
    level = [area for area in areas if _is_level(area)]
    across = [
        line
        for strip in (strips if len(strips) <= _MAX_STRIPS else ())
        for line in _long_areas(
            map_text(np.rot90(image[:, strip]), network, text.scale), strip.stop, threshold
        )
        # A column of a table, its head and figures below each other, is none.
        if not any(_holds(line, area.center) for area in level)
    ]
    rivals = [
        (len(areas) + n, [m for m, area in enumerate(areas) if _holds(line, area.center)])
        for n, line in enumerate(across)
    ]
    directed = [direct(area, direction) for area in (*areas, *across)]
    return PageAreas(directed, direction, text, rivals)


def _replaced(areas: Sequence[TextArea], better: Sequence[TextArea]) -> list[TextArea]:
    """The areas, and better ones in place of the pieces of them that were found."""
    left = [area for area in areas if not any(_holds(one, area.center) for one in better)]
    return [*left, *better]


def _is_one_line(large: TextArea, areas: Sequence[TextArea]) -> bool:
    """Whether an area of the shrunk page is a line of large letters, not a paragraph of small."""
    if large.height <= _LARGE_HEIGHT:
        return False
    pieces = [area for area in areas if _holds(large, area.center)]
    low = sum(area.length for area in pieces if area.height < _PIECE_HEIGHT * large.height)
    return 2 * low <= sum(area.length for area in pieces)


def _holds(area: TextArea, point: NDArray[np.float64]) -> bool:
    x, y = area.along
    across, along = np.array([-y, x]) @ (point - area.center), area.along @ (point - area.center)
    return bool(abs(along) <= area.length / 2 and abs(across) <= area.height / 2)


def _strips(areas: Sequence[OrientedArea], width: int) -> list[slice]:
    """Columns of the image in which lines run up or down a page that is read to the right."""
    strips: list[slice] = []
    aside = [area for area in areas if area.aside and abs(area.direction[1]) > _UPRIGHT]
    for area in sorted(aside, key=lambda one: float(one.corners[:, 0].min())):
        across = area.corners[:, 0]
        room = _AROUND * area.height
        left, right = max(0, int(across.min() - room)), min(width, int(across.max() + room))
        if strips and left < strips[-1].stop:
            strips[-1] = slice(strips[-1].start, max(strips[-1].stop, right))
        else:
            strips.append(slice(left, right))
    return strips


def _is_level(area: TextArea) -> bool:
    return area.length > _LEVEL_RATIO * area.height and abs(area.along[0]) > _UPRIGHT


def _long_areas(text: TextMap, right: int, threshold: float) -> Iterator[TextArea]:
    """Long areas of a strip that was turned to the left, where they are on the page.

    A network that was taught level lines finds others in pieces, their figures one by one.
    """
    for area in find_text_areas(text, threshold):
        (x, y), (along, down) = area.center, area.along
        if area.length > _LONG_RATIO * area.height and abs(along) > abs(down):
            yield replace(area, center=np.array([right - y, x]), along=np.array([-down, along]))
