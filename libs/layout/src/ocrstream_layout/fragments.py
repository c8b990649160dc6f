"""Pieces that follow each other closely become fragments of lines."""

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ocrstream_layout.areas import Area
from ocrstream_layout.scripts import TextDirection

# All of these are in line heights.
_REACH = 0.5  # gap within a fragment on a page of lines; columns may be as near as 0.6
_LEAST_REACH, _MOST_REACH = 0.6, 1.2  # on a page of words
_WORDS = 0.6  # share of pieces right before another one, if they are words
_WORD_GAPS = 2.5  # a gap of so many usual word gaps is none between words
_FARTHEST_WORD = 1.5
_OVERLAP = 0.5  # share of the lower piece's height that two neighbours have in common
_SCRIPT_OVERLAP = 0.3  # of a subscript or superscript, which is smaller and touches
_OTHER_SIZE = 1.7  # from here on neighbours are of another size: initials, headings beside text
_INITIAL = 2.0  # how far below the middle of its line that of an initial may be
_LOOKED_AT = 12  # open fragments above and below a piece, so that heaps of boxes take no longer


@dataclass(slots=True, eq=False)
class Piece(Area):
    """A piece of text in the frame; `index` is its place in the input put into one order.

    `perpendicular`: its text runs across the page's direction. `slope`: how much it falls along its line,
    if its shape says it.
    """

    index: int
    perpendicular: bool
    text_direction: TextDirection
    slope: float | None


@dataclass(slots=True, eq=False)
class Fragment(Area):
    """Pieces of one line with nothing but word gaps between them, from the start."""

    pieces: list[Piece] = field(default_factory=list[Piece])

    @property
    def perpendicular(self) -> bool:
        return self.pieces[0].perpendicular


@dataclass(slots=True, eq=False)
class _Open:
    """A fragment that may go on. `last` is its last piece that is as tall as the line."""

    last: Piece
    end: float
    pieces: list[Piece]


def build_fragments(pieces: Sequence[Piece], line_height: float) -> list[Fragment]:
    """All pieces in fragments, in the order of their `place`."""
    level = sorted(
        (one for one in pieces if not one.perpendicular), key=lambda one: (one.start, *one.sort_key)
    )
    reach = _reach(level, line_height)
    made = [_fragment(one.pieces) for one in _chains(level, reach, line_height)]
    made.extend(_fragment([one]) for one in pieces if one.perpendicular)
    return sorted(made, key=lambda one: (*one.sort_key, one.pieces[0].index))


def _reach(level: Sequence[Piece], line_height: float) -> float:
    """How wide a gap within a line may be, in pixels.

    On a page of words most pieces have a neighbour at hand, and the usual gap is that of words. On
    a page of lines the gaps at hand are those between columns.
    """
    gaps = [
        after.start - before.end
        for chain in _chains(level, _FARTHEST_WORD * line_height, line_height)
        for before, after in pairwise(chain.pieces)
    ]
    if not gaps or len(gaps) < _WORDS * len(level):
        return _REACH * line_height
    usual = _WORD_GAPS * statistics.median_low(gaps)
    return max(_LEAST_REACH * line_height, min(_MOST_REACH * line_height, usual))


def _chains(level: Sequence[Piece], reach: float, line_height: float) -> list[_Open]:
    middles: list[float] = []
    lines: list[_Open] = []
    done: list[_Open] = []
    for piece in level:
        at = bisect_left(middles, piece.center_y)
        window = _INITIAL * line_height + piece.height
        low = max(at - _LOOKED_AT, bisect_left(middles, piece.center_y - window))
        high = min(at + _LOOKED_AT, bisect_right(middles, piece.center_y + window))
        left_behind = [one for one in range(low, high) if piece.start - lines[one].end > 2 * reach]
        for one in reversed(left_behind):
            done.append(lines.pop(one))
            middles.pop(one)
        fits = [
            (fit, -one)
            for one in range(low, high - len(left_behind))
            if (fit := _fit(lines[one], piece, reach)) is not None
        ]
        if fits:
            line = lines.pop(-max(fits)[1])
            middles.pop(-max(fits)[1])
            line.pieces.append(piece)
            line.end = max(line.end, piece.end)
            if _is_body(line.last, piece, line_height):
                line.last = piece
        else:
            line = _Open(piece, piece.end, [piece])
        at = bisect_right(middles, line.last.center_y)
        middles.insert(at, line.last.center_y)
        lines.insert(at, line)
    return done + lines


def _fit(line: _Open, piece: Piece, reach: float) -> tuple[float, float] | None:
    """How well the piece goes on with the line: the more, the better; None if it does not."""
    last = line.last
    gap = piece.start - line.end
    lower = min(last.height, piece.height)
    if gap > reach or gap < -max(lower, piece.width / 3, last.width / 3):
        return None
    if piece.start + piece.end <= last.start + last.end:
        return None
    overlap = min(last.bottom, piece.bottom) - max(last.top, piece.top)
    if lower <= 0:
        return None
    if max(last.height, piece.height) >= _OTHER_SIZE * lower:
        # An initial stands beside several lines and begins the one at its top.
        close_script = piece.height < last.height and gap < lower / 2
        if abs(last.top - piece.top) > lower / 2 and not (
            close_script and overlap >= _SCRIPT_OVERLAP * lower and piece.width < last.width
        ):
            return None
    elif overlap < (_OVERLAP if gap > lower / 4 else 0.8 * _OVERLAP) * lower:
        return None
    return overlap / lower, -gap


def _is_body(last: Piece, piece: Piece, line_height: float) -> bool:
    """Whether the piece rather than the last one says where the line stands."""
    if max(last.height, piece.height) < _OTHER_SIZE * min(last.height, piece.height):
        return piece.height >= 0.7 * last.height
    return abs(piece.height - line_height) < abs(last.height - line_height)


def _fragment(pieces: list[Piece]) -> Fragment:
    """Its top and bottom are means by width: initials and superscripts move them little."""
    first = pieces[0]
    total = sum(one.width for one in pieces)
    top, bottom = first.top, first.bottom
    if total > 0:
        top += sum((one.top - first.top) * one.width for one in pieces) / total
        bottom += sum((one.bottom - first.bottom) * one.width for one in pieces) / total
    end = max(one.end for one in pieces)
    return Fragment(min(one.start for one in pieces), end, top, bottom, pieces)
