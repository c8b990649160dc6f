"""The reading order of the pieces of text on a page."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from ocrstream_layout.fragments import Fragment, Piece, build_fragments
from ocrstream_layout.frame import Frame, page_direction
from ocrstream_layout.levelling import level_rows
from ocrstream_layout.polygons import QUARTER, Polygon, Quad, to_quad
from ocrstream_layout.rows import build_rows
from ocrstream_layout.scripts import TextDirection, count_strong_letters, majority_direction
from ocrstream_layout.stacks import build_stacks
from ocrstream_layout.xy_cut import xy_cut

PieceT = TypeVar("PieceT")


def in_reading_order(
    pieces: Iterable[PieceT],
    polygon: Callable[[PieceT], Polygon],
    text: Callable[[PieceT], str] | None = None,
) -> list[PieceT]:
    """Sorts pieces, words or lines, in the order in which a person reads them.

    Columns are read one after the other, tables row by row. `polygon` returns four `[x, y]` in
    pixels, clockwise from the text's own top left corner, so turned and skewed pages are read along
    their lines. `text` reveals scripts that run from right to left or downwards; without it, all
    text counts as left to right.

    The order does not depend on the order of the input, unless two pieces have the same polygon and
    text. The function accepts any polygon: it raises nothing and loses no piece.
    """
    given = list(pieces)
    texts = [text(one) for one in given] if text is not None else None
    read = _fragments([polygon(one) for one in given], texts)
    return [given[piece] for fragment in read for piece in fragment]


def _fragments(polygons: Sequence[Polygon], texts: Sequence[str] | None) -> list[list[int]]:
    """The indices of the pieces by fragment, all in reading order."""
    quads = [to_quad(one, texts[at] if texts else None) for at, one in enumerate(polygons)]
    letters = [count_strong_letters(one) for one in texts or [""] * len(quads)]
    page = majority_direction(sum(one for one, _ in letters), sum(one for _, one in letters))
    frame = Frame(page_direction(quads), mirrored=page is TextDirection.RIGHT_TO_LEFT)
    placed = [
        _placed(one, at, frame, majority_direction(*letters[at])) for at, one in enumerate(quads)
    ]
    level_rows(sorted(placed, key=lambda one: (one.start, *one.sort_key)))
    placed.sort(key=lambda one: (*one.sort_key, texts[one.index] if texts else "", one.index))
    level = [one.height for one in placed if not one.perpendicular and one.height > 0]
    line_height = statistics.median_low(level) if level else 1.0
    origin = [one.index for one in placed]
    for number, one in enumerate(placed):
        one.index = number
    lines = build_fragments(placed, line_height)
    ordered = xy_cut(build_rows(lines, build_stacks(lines, line_height), line_height), line_height)
    return [
        [origin[piece.index] for piece in _in_logical_order(fragment, page)]
        for row in ordered
        for fragment in row.fragments
    ]


def _placed(one: Quad, index: int, frame: Frame, text_direction: TextDirection) -> Piece:
    corners = [frame.to_frame(corner) for corner in one.corners]
    starts, tops = [x for x, _ in corners], [y for _, y in corners]
    perpendicular = (
        not one.has_ambiguous_direction
        and QUARTER // 2 < frame.angle_to(one.direction) < 3 * QUARTER // 2
    )
    top, bottom = min(tops), max(tops)
    if not perpendicular and not one.has_ambiguous_direction and 0 < one.height < bottom - top:
        # The bounding box of a sloping line is taller than the line: take the line's height.
        middle = (top + bottom) / 2
        top, bottom = middle - one.height / 2, middle + one.height / 2
    slope = None if perpendicular or one.has_ambiguous_direction else frame.slope(one.direction)
    return Piece(min(starts), max(starts), top, bottom, index, perpendicular, text_direction, slope)


def _in_logical_order(fragment: Fragment, page: TextDirection) -> list[Piece]:
    """The fragment's pieces in reading order, by the majority of its own letters.

    The order is reversed for a line against the page's direction, and for words against their
    line's: rule L2 of the Unicode Bidirectional Algorithm (UAX #9), applied to words.
    """
    directions = [piece.text_direction for piece in fragment.pieces]
    page = (
        TextDirection.RIGHT_TO_LEFT
        if page is TextDirection.RIGHT_TO_LEFT
        else TextDirection.LEFT_TO_RIGHT
    )
    other = (
        TextDirection.LEFT_TO_RIGHT
        if page is TextDirection.RIGHT_TO_LEFT
        else TextDirection.RIGHT_TO_LEFT
    )
    if directions.count(other) == 0:
        return fragment.pieces
    line = other if directions.count(other) > directions.count(page) else page
    pieces = fragment.pieces if line is page else fragment.pieces[::-1]
    ordered: list[Piece] = []
    for is_reversed, group in groupby(
        pieces, lambda one: one.text_direction not in (line, TextDirection.NEUTRAL)
    ):
        words = list(group)
        ordered.extend(reversed(words) if is_reversed else words)
    return ordered
