"""Orders rows by a recursive XY-cut that recognises columns.

A cut along horizontal gaps alone splits two columns with level lines line by line; a cut along
vertical gaps alone joins columns below a headline. So the page is cut into strips first. Adjacent
strips that the same vertical gap cuts form a band, which is then cut at that gap.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ocrstream_layout.rows import Row

Interval = tuple[float, float]

# In line heights, unless a comment says otherwise.
_NEAR = 2.0  # strips at most this far apart may belong together
_NEAR_ABOVE = 1.625  # a title stands further above columns than text that is double-spaced
_TRIM_ACROSS, _TRIM_ALONG = 0.25, 0.1  # how much of a line's box may overlap others
_NARROWEST = 0.1
_LARGE = 1.5  # of a headline
_FOOTER = 2  # at most this many lines are a footer
# Real pages need about ten levels of cuts; boxes that spiral inwards would need many more.
_DEEPEST = 40


class _Strip(NamedTuple):
    """Rows between two horizontal gaps; `free` are the gaps beside and between the rows."""

    rows: list[Row]
    extent: Interval
    free: list[Interval]

    @property
    def gaps(self) -> list[Interval]:
        return self.free[1:-1]


def xy_cut(rows: Sequence[Row], line_height: float) -> list[Row]:
    """Returns the rows in reading order; `rows` is sorted from the top."""
    return _cut(list(rows), line_height, 0)


def _cut(rows: list[Row], line_height: float, depth: int) -> list[Row]:
    if len(rows) < 2 or depth == _DEEPEST:
        return rows
    # Stacks are cut last: columns whose lines fill each other's gaps stay whole.
    for whole_stacks in (True, False):
        parts = _bands(_strips(rows, line_height, whole_stacks=whole_stacks), line_height)
        if len(parts) == 1:
            parts = [[rows[at] for at in group] for group, _ in _groups(_widths(rows, line_height))]
        if len(parts) > 1:
            return [one for part in parts for one in _cut(part, line_height, depth + 1)]
    return rows


def _strips(rows: Sequence[Row], line_height: float, *, whole_stacks: bool) -> list[_Strip]:
    strips: list[_Strip] = []
    for group, extent in _groups([_core(row, line_height, whole_stacks) for row in rows]):
        members = [rows[at] for at in group]
        beside = _groups(_widths(members, line_height))
        ends = [-math.inf, *(end for _, (_, end) in beside)]
        starts = [*(start for _, (start, _) in beside), math.inf]
        strips.append(_Strip(members, extent, list(zip(ends, starts, strict=True))))
    return strips


def _bands(strips: Sequence[_Strip], line_height: float) -> list[list[Row]]:
    """Joins strips that the same gaps cut; every other strip is a band of its own."""
    bands: list[list[_Strip]] = []
    at = 0
    while at < len(strips):
        gaps = strips[at].gaps
        if not gaps:
            bands.append([strips[at]])
            at += 1
            continue
        end, gaps = _end_of_band(strips, at, line_height)
        band = list(strips[at:end])
        # A column may begin above its left neighbour, beside a figure.
        while bands and not bands[-1][-1].gaps and len(bands[-1]) == 1:
            (above,) = bands[-1]
            near = band[0].extent[0] - above.extent[1] <= _NEAR_ABOVE * line_height
            shared = _shared(gaps, above.free, line_height)
            headline = any(row.height > _LARGE * line_height for row in above.rows)
            if not near or not shared or headline:
                break
            band.insert(0, above)
            gaps = shared
            bands.pop()
        bands.append(band)
        at = end
    return [[row for strip in band for row in strip.rows] for band in bands]


def _end_of_band(
    strips: Sequence[_Strip], begin: int, line_height: float
) -> tuple[int, list[Interval]]:
    """Finds where the columns that begin at a strip end, and the gaps that all of them share.

    One column may continue below the others, and beneath a figure. One or two lines far below all
    columns are a footer.
    """
    gaps = strips[begin].gaps
    end, certain = begin + 1, gaps
    since = begin  # the first of the strips that are near each other
    rows = 0  # the number of rows in them
    for at in range(begin + 1, len(strips)):
        shared = _shared(gaps, strips[at].free, line_height)
        if not shared:
            break
        gaps = shared
        if strips[at].extent[0] - strips[at - 1].extent[1] > _NEAR * line_height:
            since, rows = at, 0
        rows += len(strips[at].rows)
        if strips[at].gaps or since < end or rows > _FOOTER:
            end, certain = at + 1, gaps
    return end, certain


def _shared(
    first: Sequence[Interval], second: Sequence[Interval], line_height: float
) -> list[Interval]:
    """The parts that two sorted lists of gaps have in common and that are wide enough."""
    found: list[Interval] = []
    i = j = 0
    while i < len(first) and j < len(second):
        low, high = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if high - low >= _NARROWEST * line_height:
            found.append((low, high))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return found


def _groups(intervals: Sequence[Interval]) -> list[tuple[list[int], Interval]]:
    """Groups intervals that overlap or touch: their indices, in order, and their extent."""
    groups: list[tuple[list[int], Interval]] = []
    for index in sorted(range(len(intervals)), key=lambda at: (intervals[at], at)):
        low, high = intervals[index]
        if groups and low <= groups[-1][1][1]:
            members, (start, end) = groups[-1]
            members.append(index)
            groups[-1] = members, (start, max(end, high))
        else:
            groups.append(([index], (low, high)))
    return [(sorted(members), extent) for members, extent in groups]


def _core(row: Row, line_height: float, whole_stacks: bool) -> Interval:
    trim = _TRIM_ACROSS * min(row.height, 2 * line_height)
    bottom = row.bottom - trim
    return row.top + trim, max(bottom, row.next_line_y) if whole_stacks else bottom


def _widths(rows: Sequence[Row], line_height: float) -> list[Interval]:
    trims = [min(_TRIM_ALONG * line_height, row.width / 4) for row in rows]
    return [(row.start + trim, row.end - trim) for row, trim in zip(rows, trims, strict=True)]
