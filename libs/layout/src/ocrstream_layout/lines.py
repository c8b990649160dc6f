"""Splits pieces that are in reading order into lines."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from ocrstream_layout.areas import Area, bounding_area
from ocrstream_layout.frame import Frame
from ocrstream_layout.polygons import Polygon, Quad, to_quad
from ocrstream_layout.scripts import TextDirection, count_strong_letters, majority_direction

PieceT = TypeVar("PieceT")

# Two words are on one line if they share this much of the lower word's height.
_SHARED_HEIGHT = 0.5


def split_into_lines(
    pieces: Iterable[PieceT],
    polygon: Callable[[PieceT], Polygon],
    text: Callable[[PieceT], str] | None = None,
) -> list[tuple[PieceT, ...]]:
    """Splits pieces in reading order into lines; keeps their order.

    A piece continues the line if it stands beside the piece before it, as seen along the text; the
    cells of a table's row are one line. `polygon` and `text` are as in `in_reading_order`.
    """
    lines: list[list[PieceT]] = []
    before: tuple[Quad, bool] | None = None
    for piece in pieces:
        letters = None if text is None else text(piece)
        after = to_quad(polygon(piece), letters), _is_right_to_left(letters or "")
        if before is not None and _goes_on(before[0], after[0], before[1] or after[1]):
            lines[-1].append(piece)
        else:
            lines.append([piece])
        before = after
    return [tuple(line) for line in lines]


def _is_right_to_left(text: str) -> bool:
    return majority_direction(*count_strong_letters(text)) is TextDirection.RIGHT_TO_LEFT


def _goes_on(before: Quad, after: Quad, right_to_left: bool) -> bool:
    frame = Frame(before.direction, mirrored=False)
    first, second = _placed(before, frame), _placed(after, frame)
    shared = min(first.bottom, second.bottom) - max(first.top, second.top)
    if shared < _SHARED_HEIGHT * min(first.height, second.height):
        return False
    middle = (first.start + first.end) / 2
    return second.start >= middle or (right_to_left and second.end <= middle)


def _placed(one: Quad, frame: Frame) -> Area:
    return bounding_area(Area(x, x, y, y) for x, y in map(frame.to_frame, one.corners))
