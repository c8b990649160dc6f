"""Lines of text from boxes, with their position and angle."""

import math
from collections.abc import Sequence

from ocrstream_layout import join_pieces, separator, split_into_lines
from ocrstream_recorder.export.model import Box, ExportImage, Point


def lines_of(image: ExportImage) -> list[tuple[Box, ...]]:
    """The image's boxes by line, in reading order; a box that is a line stays alone.

    The order of the boxes does not change.
    """
    if not image.words:
        return [(box,) for box in image.boxes]
    return split_into_lines(image.boxes, lambda box: box.polygon, lambda box: box.text)


def text_of(line: Sequence[Box]) -> str:
    """A line's text; line breaks inside of a box end a piece of it like the box's own end."""
    return "".join(f"{gap}{piece_of(box)}" for gap, box in zip(gaps_of(line), line, strict=True))


def piece_of(box: Box) -> str:
    """A box's text without line breaks."""
    return join_pieces(" ".join(piece.split()) for piece in box.text.splitlines())


def gaps_of(line: Sequence[Box]) -> list[str]:
    """What stands before each box of a line: nothing or a blank.

    Chinese and Japanese have blanks only where there is room for a character, as between cells.
    """
    gaps: list[str] = []
    before: Box | None = None
    for box in line:
        empty = not box.text.strip()
        if before is None or empty:
            gaps.append("")
        else:
            gaps.append(separator(piece_of(before), piece_of(box)) or _blank(before, box))
        if not empty:
            before = box
    return gaps


def _blank(before: Box, after: Box) -> str:
    width = math.dist(_middle(before, 1, 2), _middle(after, 0, 3))
    height = min(math.dist(box.polygon[0], box.polygon[3]) for box in (before, after))
    return " " if width >= height else ""


def _middle(box: Box, one: int, other: int) -> Point:
    (left, top), (right, bottom) = box.polygon[one], box.polygon[other]
    return (left + right) / 2, (top + bottom) / 2


def angle_of(box: Box) -> float:
    """The direction of a box's text in degrees, counter-clockwise from rightwards, -180 to 180."""
    (left_x, left_y), (right_x, right_y) = box.polygon[3], box.polygon[2]
    if (left_x, left_y) == (right_x, right_y):
        return 0.0
    return math.degrees(math.atan2(left_y - right_y, right_x - left_x))


def extent_of(boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all boxes together; zeros for none."""
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    lefts, tops, rights, bottoms = zip(*(box.extent for box in boxes), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
