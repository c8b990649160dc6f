"""Makes rows level that slope a little against the page, or fan out in perspective."""

from collections.abc import Sequence
from typing import NamedTuple

from ocrstream_layout.areas import find_neighbours
from ocrstream_layout.fragments import Piece
from ocrstream_layout.medians import (
    SIGNIFICANT_ERRORS,
    MedianEstimate,
    estimate_median,
    weighted_median,
)

_ROUNDS = 2  # the first brings distant pieces of a row within reach, the second measures them
_WITHIN = 0.5  # heights of the lower piece between the centers of neighbours in a row
_FEWEST = 12  # slopes in each half of a page that show whether rows fan out


class _Slope(NamedTuple):
    """How much text falls along its line; `weight` is the length in pixels that it was measured
    over.
    """

    slope: float
    weight: float
    center_y: float


def level_rows(pieces: Sequence[Piece]) -> None:
    """Moves pieces so that rows are level; does not turn or resize them.

    Slopes are those of the pieces themselves and those from each piece to the next in its row.
    Corners are a tenth of a line's height off, so for short table cells only the latter are
    measured over a sufficient length. The page's slope is the weighted median. If the medians of
    the upper and lower half differ, rows fan out.
    """
    for _ in range(_ROUNDS):
        slopes = _slopes(pieces)
        if not slopes:
            return
        whole = _estimate(slopes)
        if whole.value == 0:
            break
        _turn(pieces, whole.value)
    _close_fan(pieces)


def _slopes(pieces: Sequence[Piece]) -> list[_Slope]:
    found = [_Slope(one.slope, one.width, one.center_y) for one in pieces if one.slope is not None]
    level = [one for one in pieces if not one.perpendicular]
    for pair in find_neighbours(level):
        before, after = level[pair.first], level[pair.second]
        along = (after.start + after.end - before.start - before.end) / 2
        if pair.offset <= _WITHIN and along > 0:
            across = after.center_y - before.center_y
            found.append(_Slope(across / along, along, (before.center_y + after.center_y) / 2))
    return [one for one in found if one.weight > 0]


def _estimate(slopes: Sequence[_Slope]) -> MedianEstimate:
    return estimate_median([(one.slope, one.weight) for one in slopes])


def _turn(pieces: Sequence[Piece], slope: float) -> None:
    """Turns about the origin; for the few degrees that are left, the sine is the slope."""
    for one in pieces:
        across, along = one.center_x * slope, one.center_y * slope
        _move(one, along, -across)
        if one.slope is not None:
            one.slope -= slope


def _close_fan(pieces: Sequence[Piece]) -> None:
    slopes = sorted(_slopes(pieces), key=lambda one: (one.center_y, one.slope, one.weight))
    half = len(slopes) // 2
    if half < _FEWEST:
        return
    upper, lower = slopes[:half], slopes[half:]
    first, second = _estimate(upper), _estimate(lower)
    top = weighted_median([(one.center_y, one.weight) for one in upper])
    bottom = weighted_median([(one.center_y, one.weight) for one in lower])
    difference = second.value - first.value
    if bottom <= top or abs(difference) <= SIGNIFICANT_ERRORS * (first.error + second.error):
        return
    least, most = min(one.start for one in pieces), max(one.end for one in pieces)
    for one in pieces:
        slope = first.value + (one.center_y - top) / (bottom - top) * difference
        _move(one, 0.0, -slope * (one.center_x - (least + most) / 2))


def _move(one: Piece, along: float, across: float) -> None:
    one.start += along
    one.end += along
    one.top += across
    one.bottom += across
