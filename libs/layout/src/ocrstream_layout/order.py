"""The order in which a person reads the pieces of text of a page."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from ocrstream_layout.cuts import cut
from ocrstream_layout.fragments import Fragment, Piece, fragments
from ocrstream_layout.frame import Frame, page_direction
from ocrstream_layout.level import make_level
from ocrstream_layout.polygons import QUARTER, Polygon, Quad, quad
from ocrstream_layout.rows import rows
from ocrstream_layout.scripts import Run, run_of, strong_letters
from ocrstream_layout.stacks import stacks

PieceT = TypeVar("PieceT")


def in_reading_order(
    pieces: Iterable[PieceT],
    polygon: Callable[[PieceT], Polygon],
    text: Callable[[PieceT], str] | None = None,
) -> list[PieceT]:
    """The pieces, words or lines, in the order in which a person reads them.

    Columns are read one after the other, tables row by row. `polygon` gives four `[x, y]` in
    pixels, clockwise from the text's own top left corner, so turned and skewed pages are read along
    their lines. `text` tells scripts that run from right to left or downwards; without it none
    does.

    The order does not depend on the order of the input, unless two pieces have the same polygon
    and text. Whatever the polygons hold, nothing is raised and nothing is lost.
    """
    given = list(pieces)
    texts = [text(one) for one in given] if text is not None else None
    read = _fragments([polygon(one) for one in given], texts)
    return [given[piece] for fragment in read for piece in fragment]


def _fragments(polygons: Sequence[Polygon], texts: Sequence[str] | None) -> list[list[int]]:
    """Indices of the pieces by fragment of a line, all in reading order."""
    quads = [quad(one, texts[at] if texts else None) for at, one in enumerate(polygons)]
    letters = [strong_letters(one) for one in texts or [""] * len(quads)]
    page = run_of(sum(one for one, _ in letters), sum(one for _, one in letters))
    frame = Frame(page_direction(quads), mirrored=page is Run.RIGHT_TO_LEFT)
    placed = [_placed(one, at, frame, run_of(*letters[at])) for at, one in enumerate(quads)]
    make_level(sorted(placed, key=lambda one: (one.start, *one.place)))
    placed.sort(key=lambda one: (*one.place, texts[one.index] if texts else "", one.index))
    level = [one.height for one in placed if not one.turned and one.height > 0]
    line_height = statistics.median_low(level) if level else 1.0
    origin = [one.index for one in placed]
    for number, one in enumerate(placed):
        one.index = number
    lines = fragments(placed, line_height)
    ordered = cut(rows(lines, stacks(lines, line_height), line_height), line_height)
    return [
        [origin[piece.index] for piece in _in_logical_order(fragment, page)]
        for row in ordered
        for fragment in row.fragments
    ]


def _placed(one: Quad, index: int, frame: Frame, run: Run) -> Piece:
    corners = [frame.place(corner) for corner in one.corners]
    starts, tops = [x for x, _ in corners], [y for _, y in corners]
    turned = not one.free and QUARTER // 2 < frame.apart(one.direction) < 3 * QUARTER // 2
    top, bottom = min(tops), max(tops)
    if not turned and not one.free and 0 < one.height < bottom - top:
        # A line that slopes against the page is no taller than it is.
        middle = (top + bottom) / 2
        top, bottom = middle - one.height / 2, middle + one.height / 2
    slope = None if turned or one.free else frame.slope(one.direction)
    return Piece(min(starts), max(starts), top, bottom, index, turned, run, slope)


def _in_logical_order(fragment: Fragment, page: Run) -> list[Piece]:
    """The fragment's pieces as they are read, by the majority of its own letters.

    In a line that runs the other way than the page, and for words within a line that run the other
    way than the line, the order is turned: rule L2 of the Unicode Bidirectional Algorithm (UAX #9),
    for words.
    """
    runs = [piece.run for piece in fragment.pieces]
    page = Run.RIGHT_TO_LEFT if page is Run.RIGHT_TO_LEFT else Run.LEFT_TO_RIGHT
    other = Run.LEFT_TO_RIGHT if page is Run.RIGHT_TO_LEFT else Run.RIGHT_TO_LEFT
    if runs.count(other) == 0:
        return fragment.pieces
    line = other if runs.count(other) > runs.count(page) else page
    pieces = fragment.pieces if line is page else fragment.pieces[::-1]
    ordered: list[Piece] = []
    for against, group in groupby(pieces, lambda one: one.run not in (line, Run.NEUTRAL)):
        words = list(group)
        ordered.extend(reversed(words) if against else words)
    return ordered
