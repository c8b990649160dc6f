"""Lines of text from boxes, with their position and angle."""

import math
from collections.abc import Sequence

from ocrstream_layout import split_into_lines
from ocrstream_recorder.export.model import Box, ExportImage


def lines_of(image: ExportImage) -> list[tuple[Box, ...]]:
    """The image's boxes by line, in reading order; a box that is a line stays alone.

    The order of the boxes does not change.
    """
    if not image.words:
        return [(box,) for box in image.boxes]
    return split_into_lines(image.boxes, lambda box: box.polygon, lambda box: box.text)


def text_of(line: Sequence[Box]) -> str:
    """A line's text; line breaks inside of a box are spaces."""
    return " ".join(" ".join(box.text.split()) for box in line)


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
