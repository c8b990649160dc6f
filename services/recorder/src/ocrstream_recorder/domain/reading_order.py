"""The order in which a person reads the pieces of text of an image."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

PieceT = TypeVar("PieceT")

Polygon = Sequence[Sequence[float]]


class _Extent(NamedTuple):
    top: float
    bottom: float
    left: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def in_reading_order(
    pieces: Iterable[PieceT], polygon: Callable[[PieceT], Polygon]
) -> list[PieceT]:
    """Line by line from the top, each line from its left.

    Two pieces stand on one line if the middle of each lies beside the other. Columns are not told
    apart, nor is text that runs from right to left.
    """
    placed = [(_extent(polygon(piece)), piece) for piece in pieces]
    placed.sort(key=lambda one: (one[0].middle, one[0].left))
    lines: list[list[tuple[_Extent, PieceT]]] = []
    for extent, piece in placed:
        # The first piece stands for its line, so that a slope does not draw line after line in.
        if lines and _same_line(lines[-1][0][0], extent):
            lines[-1].append((extent, piece))
        else:
            lines.append([(extent, piece)])
    return [piece for line in lines for _, piece in sorted(line, key=lambda one: one[0].left)]


def _same_line(line: _Extent, piece: _Extent) -> bool:
    return piece.middle < line.bottom and line.middle > piece.top


def _extent(polygon: Polygon) -> _Extent:
    ys = [point[1] for point in polygon]
    return _Extent(min(ys), max(ys), min(point[0] for point in polygon))
