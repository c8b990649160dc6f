"""Rectangles in the page's frame, and which of them are neighbours."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_CORE = 0.2  # share of an area's height that is ignored at its top and at its bottom
_LEAST_SHARED = 0.5  # share of the lower area's core over which neighbours must see each other


@dataclass(slots=True, eq=False)
class Area:
    """A rectangle in the frame: `start` to `end` along the lines, `top` to `bottom` across them."""

    start: float
    end: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.end - self.start

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def center_y(self) -> float:
        """The middle across the lines."""
        return (self.top + self.bottom) / 2

    @property
    def center_x(self) -> float:
        """The middle along the lines."""
        return (self.start + self.end) / 2

    @property
    def sort_key(self) -> tuple[float, float, float, float]:
        """Sorts areas from the top, and at the same height from the start: a total order."""
        return self.center_y, self.start, self.end, self.height


def bounding_area(areas: Iterable[Area]) -> Area:
    """The smallest area that contains all of them; needs at least one."""
    every = list(areas)
    return Area(
        min(area.start for area in every),
        max(area.end for area in every),
        min(area.top for area in every),
        max(area.bottom for area in every),
    )


class VisiblePair(NamedTuple):
    """Two intervals, by index; the later one sees the earlier one over the length `shared`."""

    earlier: int
    later: int
    shared: float


def visible_pairs(intervals: Sequence[tuple[float, float]]) -> list[VisiblePair]:
    """Finds which intervals see each other; each looks back at those before it.

    An interval hides what lies behind it; an empty interval sees nothing. A skyline of the newest
    intervals finds all pairs in about n log n steps; there are fewer than three for each interval.
    """
    starts: list[float] = []
    ends: list[float] = []
    owners: list[int] = []
    found: list[VisiblePair] = []
    for index, (start, end) in enumerate(intervals):
        if end <= start:
            continue
        first = bisect_right(ends, start)
        last = bisect_left(starts, end, first)
        rest: list[tuple[float, float, int]] = []
        shared: dict[int, float] = {}
        for at in range(first, last):
            owner = owners[at]
            part = min(end, ends[at]) - max(start, starts[at])
            shared[owner] = shared.get(owner, 0.0) + part
            if starts[at] < start:
                rest.append((starts[at], start, owner))
            if ends[at] > end:
                rest.append((end, ends[at], owner))
        found.extend(VisiblePair(owner, index, part) for owner, part in shared.items())
        rest = sorted([*rest, (start, end, index)])
        starts[first:last] = [one[0] for one in rest]
        ends[first:last] = [one[1] for one in rest]
        owners[first:last] = [one[2] for one in rest]
    return found


class Neighbours(NamedTuple):
    """Two areas, by index, with nothing in between.

    `offset`: the distance of their centers across the lines, in heights of the lower area.
    """

    first: int
    second: int
    offset: float


def find_neighbours(ordered: Sequence[Area]) -> list[Neighbours]:
    """Finds which areas stand right beside each other; `ordered` is sorted by start."""
    found: list[Neighbours] = []
    for first, second, shared in visible_pairs([_core(one) for one in ordered]):
        before, after = ordered[first], ordered[second]
        lower = min(before.height, after.height)
        # Boxes of detectors may overlap a little.
        if after.start < before.end - lower / 2:
            continue
        if shared >= _LEAST_SHARED * (1 - 2 * _CORE) * lower:
            found.append(Neighbours(first, second, abs(before.center_y - after.center_y) / lower))
    return found


def _core(area: Area) -> tuple[float, float]:
    return area.top + _CORE * area.height, area.bottom - _CORE * area.height
