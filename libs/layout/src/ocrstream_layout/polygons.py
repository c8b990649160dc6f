"""Normalizes polygons and finds the direction of their text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ocrstream_layout.scripts import is_cjk

Polygon = Sequence[Sequence[float]]
"""Four `[x, y]` in pixels, y downwards, clockwise from the text's own top left corner."""

Point = tuple[float, float]

# Directions are integers, so turning a page by a right angle changes them by exactly that. A
# hundredth of a degree is a sixth of a pixel on a line of 1,000 pixels.
QUARTER = 90_00
FULL = 4 * QUARTER

# Larger than any raster, and small enough for squares and sums.
_FARTHEST = 1e12
# A box is tall from this ratio of its sides on; text of at least so many letters runs down in it.
_TALL_CJK, _TALL = 1.5, 2.0
_LETTERS_OF_TALL = 3
# The shape of a box with a smaller ratio does not tell the direction of its text.
_SQUARE = 1.5


class Quad(NamedTuple):
    """The four corners of a piece, from the text's own top left.

    `direction`: hundredths of a degree, clockwise from rightwards, 0 to 35999. `length` is along
    the text and `height` across it, in pixels. `has_ambiguous_direction`: a single character or a
    square box, whose text may run in another direction.
    """

    corners: tuple[Point, Point, Point, Point]
    direction: int
    length: float
    height: float
    has_ambiguous_direction: bool


def to_quad(polygon: Polygon, text: str | None) -> Quad:
    """Normalizes a polygon of any shape.

    Detectors return vertical writing and turned text as a tall box whose first edge is the short
    one. Such text is read downwards, as engines do that turn these boxes themselves.
    """
    corners = _corners(polygon)
    length, height = _sides(corners)
    letters = len("".join((text or "").split()))
    if text is not None and _runs_down(text, letters, length, height):
        corners = (corners[1], corners[2], corners[3], corners[0])
        length, height = height, length
    free = letters == 1 if text is not None else False
    free = free or (length < _SQUARE * height and height < _SQUARE * length)
    return Quad(corners, _direction(corners), length, height, free)


def _runs_down(text: str, letters: int, length: float, height: float) -> bool:
    if height >= _TALL_CJK * length and letters >= 2 and is_cjk(text):
        return True
    return height >= _TALL * length and letters >= _LETTERS_OF_TALL


def _corners(polygon: Polygon) -> tuple[Point, Point, Point, Point]:
    points = [(_finite(point[0]), _finite(point[1])) for point in polygon if len(point) >= 2]
    if len(points) == 4:
        return points[0], points[1], points[2], points[3]
    xs = [x for x, _ in points] or [0.0]
    ys = [y for _, y in points] or [0.0]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _finite(value: float) -> float:
    if isinstance(value, float) and math.isnan(value):
        return 0.0
    # Clip before the conversion: JSON integers may exceed the range of floats.
    return float(max(-_FARTHEST, min(_FARTHEST, value)))


def _sides(corners: tuple[Point, Point, Point, Point]) -> tuple[float, float]:
    first, second, third, fourth = corners
    length = (math.dist(first, second) + math.dist(fourth, third)) / 2
    height = (math.dist(first, fourth) + math.dist(second, third)) / 2
    return length, height


def _direction(corners: tuple[Point, Point, Point, Point]) -> int:
    """The direction of the first edge and the opposite one together, which evens out noise."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    degrees = math.degrees(math.atan2(by - ay + cy - dy, bx - ax + cx - dx))
    return round(100 * degrees) % FULL
