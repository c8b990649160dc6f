"""Finds the gutters between columns of prose; gaps between cells of a table are none."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocrstream_layout.areas import Area
from ocrstream_layout.stacks import Stack

# Seven in eight lines of prose, but three in eight cells, are at least 0.7 times as wide as their
# column. The evidence of a full line and of a short one are the logarithms of these ratios.
_FULL = 0.7
_FOR, _AGAINST = 0.83, -1.56
_CERTAIN = 4.0  # about five full lines and no short one
_ENDING = 2 * _AGAINST  # a column may begin with its short lines
_LEAST_MEASURE = 7.0  # line heights; the narrowest of four columns on A4 has eight
_CELLS = 3  # this many lines with evidence against prose are not the start or end of a column
_ALIGNED = 1.0  # line heights between the starts of areas in one column
_FILLS = 1.5  # line heights between a line's end and the gutter, if the line fills its column
_NEAR = 4.0  # line heights between two stretches of one gutter, with headings or captions between


@dataclass(slots=True, eq=False)
class Gutter(Area):
    """The space between two columns, whose lines start at `before` and at `after`."""

    before: float
    after: float

    @property
    def center(self) -> float:
        return (self.start + self.end) / 2


class Gutters:
    """All gutters of a page, by their center."""

    def __init__(self, pairs: Iterable[tuple[Stack, Stack]], line_height: float) -> None:
        """`pairs`: adjacent stacks with nothing in between, the one at the start first."""
        certain: list[Gutter] = []
        possible: list[Gutter] = []
        for before, after in pairs:
            if before.end >= after.start:
                continue
            top, bottom = min(before.top, after.top), max(before.bottom, after.bottom)
            gutter = Gutter(before.end, after.start, top, bottom, before.start, after.start)
            if _are_columns(before, after, line_height):
                certain.append(gutter)
            elif not _are_cells(before, line_height) and not _are_cells(after, line_height):
                possible.append(gutter)
        found = _joined(certain, line_height)
        _extend(found, possible, line_height)
        self._gutters = sorted(found, key=lambda one: (one.center, *one.sort_key))
        self._centers = [one.center for one in self._gutters]

    def separates(self, first: Area, second: Area) -> bool:
        """Whether a gutter runs between two neighbouring areas."""
        middle = (first.center_y + second.center_y) / 2
        at = bisect_left(self._centers, first.end)
        while at < len(self._gutters) and self._centers[at] <= second.start:
            if self._gutters[at].top <= middle <= self._gutters[at].bottom:
                return True
            at += 1
        return False


def _evidence(stack: Stack) -> float:
    """Log-likelihood that the stack is prose; a short last line, as of a paragraph, is ignored."""
    full = sum(one.width >= _FULL * stack.measure for one in stack.fragments)
    last = stack.fragments[-1].width < _FULL * stack.measure
    return full * _FOR + (len(stack.fragments) - full - last) * _AGAINST


def _are_columns(before: Stack, after: Stack, line_height: float) -> bool:
    if min(before.measure, after.measure) < _LEAST_MEASURE * line_height:
        return False
    first, second = _evidence(before), _evidence(after)
    return min(first, second) >= _ENDING and first + second >= _CERTAIN


def _are_cells(stack: Stack, line_height: float) -> bool:
    narrow = stack.measure < _LEAST_MEASURE * line_height
    return len(stack.fragments) >= _CELLS and (narrow or _evidence(stack) < 0)


def _joined(gutters: Iterable[Gutter], line_height: float) -> list[Gutter]:
    """Joins stretches of one gutter that are near each other."""
    clusters: list[list[Gutter]] = []
    for gutter in sorted(gutters, key=lambda one: (one.center, *one.sort_key)):
        if clusters and gutter.start <= clusters[-1][0].center <= gutter.end:
            clusters[-1].append(gutter)
        else:
            clusters.append([gutter])
    joined: list[Gutter] = []
    for cluster in clusters:
        cluster.sort(key=lambda one: (one.top, one.bottom, one.start, one.end))
        whole = [cluster[0]]
        for gutter in cluster[1:]:
            if not _merge(whole[-1], gutter, line_height):
                whole.append(gutter)
        joined.extend(whole)
    return joined


def _extend(gutters: Sequence[Gutter], possible: list[Gutter], line_height: float) -> None:
    """Extends gutters beside headings, captions and last lines that start where columns do."""
    possible.sort(key=lambda one: (one.start, *one.sort_key))
    starts = [one.start for one in possible]
    for gutter in gutters:
        # Candidates begin in the column to the gutter's left, whose lines may be short.
        low = bisect_left(starts, gutter.before)
        high = bisect_left(starts, gutter.end)
        beside = [
            one
            for one in possible[low:high]
            if one.end >= gutter.start
            and (
                one.start >= gutter.start - _FILLS * line_height
                or abs(one.before - gutter.before) <= _ALIGNED * line_height
            )
            and abs(one.after - gutter.after) <= _ALIGNED * line_height
        ]
        for one in sorted(beside, key=lambda one: (one.top, *one.sort_key)):
            if one.bottom >= gutter.top:
                _merge(gutter, one, line_height)
        for one in sorted(beside, key=lambda one: (-one.bottom, *one.sort_key)):
            _merge(gutter, one, line_height)


def _merge(gutter: Gutter, other: Gutter, line_height: float) -> bool:
    """Makes a gutter as tall as both, if they are near each other and share space."""
    start, end = max(gutter.start, other.start), min(gutter.end, other.end)
    distance = max(other.top - gutter.bottom, gutter.top - other.bottom)
    if start >= end or distance > _NEAR * line_height:
        return False
    gutter.start, gutter.end = start, end
    gutter.top, gutter.bottom = min(gutter.top, other.top), max(gutter.bottom, other.bottom)
    return True
