"""Joins pieces that follow each other closely into fragments of lines."""

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ocrstream_layout.areas import Area
from ocrstream_layout.scripts import TextDirection

# In line heights, unless a comment says otherwise.
_REACH = 0.5  # widest gap in a fragment on a page of lines; columns may be as near as 0.6
_LEAST_REACH, _MOST_REACH = 0.6, 1.2  # on a page of words
_WORDS = 0.6  # share of pieces with a close successor from which pieces are words
_WORD_GAPS = 2.5  # word gaps; a wider gap does not separate words of a line
_FARTHEST_WORD = 1.5
_OVERLAP = 0.5  # share of the lower piece's height that neighbours must share
_SCRIPT_OVERLAP = 0.3  # the same for a subscript or superscript, which is smaller and touches
_OTHER_SIZE = 1.7  # height ratio of another font size: initials, headings beside text
_INITIAL = 2.0  # how far an initial's center may lie below that of its line
_MAX_EXAMINED = (
    12  # open fragments examined above and below a piece; bounds the time for heaps of boxes
)


@dataclass(slots=True, eq=False)
class Piece(Area):
    """A piece of text in the frame; `index` is its position in the sorted input.

    `perpendicular`: its text runs across the page's direction. `slope`: how much it falls along its
    line, if its shape tells.
    """

    index: int
    perpendicular: bool
    text_direction: TextDirection
    slope: float | None


@dataclass(slots=True, eq=False)
class Fragment(Area):
    """Pieces of one line, from its start, with only word gaps between them."""

    pieces: list[Piece] = field(default_factory=list[Piece])

    @property
    def perpendicular(self) -> bool:
        return self.pieces[0].perpendicular


@dataclass(slots=True, eq=False)
class _OpenFragment:
    """A fragment that may continue; `last` is its last piece that is as tall as the line."""

    last: Piece
    end: float
    pieces: list[Piece]


def build_fragments(pieces: Sequence[Piece], line_height: float) -> list[Fragment]:
    """Joins all pieces into fragments, sorted by `sort_key`."""
    level = sorted(
        (one for one in pieces if not one.perpendicular), key=lambda one: (one.start, *one.sort_key)
    )
    reach = _reach(level, line_height)
    built = [_fragment(one.pieces) for one in _chains(level, reach, line_height)]
    built.extend(_fragment([one]) for one in pieces if one.perpendicular)
    return sorted(built, key=lambda one: (*one.sort_key, one.pieces[0].index))


def _reach(level: Sequence[Piece], line_height: float) -> float:
    """The widest gap within a line, in pixels.

    On a page of words, most pieces have a close neighbour, and the usual gap is a word gap. On a
    page of lines, the close gaps are those between columns.
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


def _chains(level: Sequence[Piece], reach: float, line_height: float) -> list[_OpenFragment]:
    middles: list[float] = []
    lines: list[_OpenFragment] = []
    done: list[_OpenFragment] = []
    for piece in level:
        at = bisect_left(middles, piece.center_y)
        window = _INITIAL * line_height + piece.height
        low = max(at - _MAX_EXAMINED, bisect_left(middles, piece.center_y - window))
        high = min(at + _MAX_EXAMINED, bisect_right(middles, piece.center_y + window))
        finished = [one for one in range(low, high) if piece.start - lines[one].end > 2 * reach]
        for one in reversed(finished):
            done.append(lines.pop(one))
            middles.pop(one)
        fits = [
            (fit, -one)
            for one in range(low, high - len(finished))
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
            line = _OpenFragment(piece, piece.end, [piece])
        at = bisect_right(middles, line.last.center_y)
        middles.insert(at, line.last.center_y)
        lines.insert(at, line)
    return done + lines


def _fit(line: _OpenFragment, piece: Piece, reach: float) -> tuple[float, float] | None:
    """How well the piece continues the line, more is better; None if it does not."""
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
        # An initial stands beside several lines and begins the topmost.
        close_script = piece.height < last.height and gap < lower / 2
        if abs(last.top - piece.top) > lower / 2 and not (
            close_script and overlap >= _SCRIPT_OVERLAP * lower and piece.width < last.width
        ):
            return None
    elif overlap < (_OVERLAP if gap > lower / 4 else 0.8 * _OVERLAP) * lower:
        return None
    return overlap / lower, -gap


def _is_body(last: Piece, piece: Piece, line_height: float) -> bool:
    """Whether the piece, and not the last one, tells where the line stands."""
    if max(last.height, piece.height) < _OTHER_SIZE * min(last.height, piece.height):
        return piece.height >= 0.7 * last.height
    return abs(piece.height - line_height) < abs(last.height - line_height)


def _fragment(pieces: list[Piece]) -> Fragment:
    """Its top and bottom are means weighted by width, so initials and superscripts hardly count."""
    first = pieces[0]
    total = sum(one.width for one in pieces)
    top, bottom = first.top, first.bottom
    if total > 0:
        top += sum((one.top - first.top) * one.width for one in pieces) / total
        bottom += sum((one.bottom - first.bottom) * one.width for one in pieces) / total
    end = max(one.end for one in pieces)
    return Fragment(min(one.start for one in pieces), end, top, bottom, pieces)
