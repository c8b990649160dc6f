"""Lines of text from boxes, and how they lie."""

import math
from collections.abc import Sequence

from ocrstream_recorder.export.model import Box, ExportImage

# Two words stand on one line if they share so much of the lower one's height.
_SHARED_HEIGHT = 0.5


def lines_of(image: ExportImage) -> list[tuple[Box, ...]]:
    """The image's boxes by line, in reading order; a box that is a line is one by itself.

    The order of the boxes is the engine's and is kept: a word goes on with the line of the one
    before it if it stands beside and not before it, seen along the text's direction.
    """
    if not image.words:
        return [(box,) for box in image.boxes]
    lines: list[list[Box]] = []
    for box in image.boxes:
        if lines and _goes_on(lines[-1][-1], box):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [tuple(line) for line in lines]


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


def _goes_on(before: Box, box: Box) -> bool:
    angle = math.radians(angle_of(before))
    first, second = _along(before, angle), _along(box, angle)
    shared = min(first[3], second[3]) - max(first[1], second[1])
    lower = min(first[3] - first[1], second[3] - second[1])
    middle = (first[0] + first[2]) / 2
    return shared >= _SHARED_HEIGHT * lower and second[0] >= middle


def _along(box: Box, angle: float) -> tuple[float, float, float, float]:
    """The box's extent in a system whose x axis is the text's direction."""
    cos, sin = math.cos(angle), math.sin(angle)
    turned = tuple((x * cos - y * sin, x * sin + y * cos) for x, y in box.polygon)
    return Box("", 0.0, turned).extent
