"""The order of areas by a recursive XY-cut that knows columns.

Cut by horizontal gaps alone, two columns with level lines fall apart line by line; cut by vertical
gaps alone, a headline joins the columns below it. So the page is cut into strips first, and strips
next to each other that are cut by the same vertical gap are one band, to be cut there.
"""

import math
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from ocrstream_layout.areas import Area

AreaT = TypeVar("AreaT", bound=Area)

Interval = tuple[float, float]

# All of these are in line heights.
_NEAR = 1.5  # a strip of one column so far from the next belongs to the columns there
_FAR = 4.0  # strips so far from each other are not of the same columns
_TRIM_ACROSS, _TRIM_ALONG = 0.25, 0.1  # what of a line's box may overlap others
_NARROWEST = 0.1
# Real pages are done after some ten cuts; boxes that spiral inwards are not worth more.
_DEEPEST = 40


class _Strip(NamedTuple, Generic[AreaT]):
    """Areas between two horizontal gaps; `free` are the gaps beside and between them."""

    areas: list[AreaT]
    extent: Interval
    free: list[Interval]

    @property
    def gaps(self) -> list[Interval]:
        return self.free[1:-1]


def cut(areas: Sequence[AreaT], line_height: float) -> list[AreaT]:
    """The areas in reading order; they must come from the top."""
    return _cut(list(areas), line_height, 0)


def _cut(areas: list[AreaT], line_height: float, depth: int) -> list[AreaT]:
    if len(areas) < 2 or depth == _DEEPEST:
        return areas
    bands = _bands(_strips(areas, line_height), line_height)
    if len(bands) == 1:
        columns = _columns(areas, line_height)
        if len(columns) == 1:
            return areas
        return [one for column in columns for one in _cut(column, line_height, depth + 1)]
    return [one for band in bands for one in _cut(band, line_height, depth + 1)]


def _strips(areas: Sequence[AreaT], line_height: float) -> list[_Strip[AreaT]]:
    cores = [_across(area, line_height) for area in areas]
    strips: list[_Strip[AreaT]] = []
    for group, extent in _groups(cores):
        members = [areas[at] for at in sorted(group)]
        beside = _groups([_along(area, line_height) for area in members])
        ends = [-math.inf, *(end for _, (_, end) in beside)]
        starts = [*(start for _, (start, _) in beside), math.inf]
        strips.append(_Strip(members, extent, list(zip(ends, starts, strict=True))))
    return strips


def _columns(areas: Sequence[AreaT], line_height: float) -> list[list[AreaT]]:
    groups = _groups([_along(area, line_height) for area in areas])
    return [[areas[at] for at in sorted(group)] for group, _ in groups]


def _bands(strips: Sequence[_Strip[AreaT]], line_height: float) -> list[list[AreaT]]:
    """Strips that are cut by the same gaps, together; the others each by itself."""
    bands: list[list[_Strip[AreaT]]] = []
    at = 0
    while at < len(strips):
        gaps = strips[at].gaps
        if not gaps:
            bands.append([strips[at]])
            at += 1
            continue
        end, gaps = _end_of_band(strips, at, line_height)
        band = list(strips[at:end])
        # A column may begin above the one before it, beside a figure.
        while bands and not bands[-1][-1].gaps and len(bands[-1]) == 1:
            (above,) = bands[-1]
            near = band[0].extent[0] - above.extent[1] <= _NEAR * line_height
            shared = _shared(gaps, above.free, line_height)
            if not near or not shared:
                break
            band.insert(0, above)
            gaps = shared
            bands.pop()
        bands.append(band)
        at = end
    return [[area for strip in band for area in strip.areas] for band in bands]


def _end_of_band(
    strips: Sequence[_Strip[AreaT]], begin: int, line_height: float
) -> tuple[int, list[Interval]]:
    """Where the columns end that begin at a strip, and the gaps that all of them have.

    Below, a column may be longer than the others; what is far below them all is a footer.
    """
    gaps = strips[begin].gaps
    end, certain = begin + 1, gaps
    for at in range(begin + 1, len(strips)):
        distance = strips[at].extent[0] - strips[at - 1].extent[1]
        shared = _shared(gaps, strips[at].gaps or strips[at].free, line_height)
        if not shared or distance > _FAR * line_height:
            break
        gaps = shared
        if strips[at].gaps or (end == at and distance <= _NEAR * line_height):
            end, certain = at + 1, gaps
    return end, certain


def _shared(
    first: Sequence[Interval], second: Sequence[Interval], line_height: float
) -> list[Interval]:
    """What two lists of gaps, each in order, have in common and is wide enough."""
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
    """Indices of intervals that overlap or touch, and what they cover, in order."""
    groups: list[tuple[list[int], Interval]] = []
    for index in sorted(range(len(intervals)), key=lambda at: (intervals[at], at)):
        low, high = intervals[index]
        if groups and low <= groups[-1][1][1]:
            members, (start, end) = groups[-1]
            members.append(index)
            groups[-1] = members, (start, max(end, high))
        else:
            groups.append(([index], (low, high)))
    return groups


def _across(area: Area, line_height: float) -> Interval:
    trim = _TRIM_ACROSS * min(area.height, 2 * line_height)
    return area.top + trim, area.bottom - trim


def _along(area: Area, line_height: float) -> Interval:
    trim = min(_TRIM_ALONG * line_height, area.width / 4)
    return area.start + trim, area.end - trim
