"""The order of the boxes of a stored result, the same for every reader."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ocrstream_layout import in_reading_order

BoxT = TypeVar("BoxT")
Point = tuple[float, float]

_NOWHERE: tuple[Point, ...] = ((0.0, 0.0),) * 4


def boxes_in_order(
    boxes: Sequence[BoxT],
    bbox: Callable[[BoxT], Any],
    text: Callable[[BoxT], str],
    *,
    ordered: bool,
) -> list[BoxT]:
    """The boxes in reading order, given as they are stored.

    `ordered`: they are stored so, as the provenance of their result says; those of all others are
    put in order by their places and by how their text runs. `bbox` gives a box's place as it is
    stored.
    """
    if ordered:
        return list(boxes)
    return in_reading_order(boxes, lambda box: corners(bbox(box)), text)


def corners(bbox: Any) -> tuple[Point, ...]:
    """The four points; zeros for what was no polygon before the recorder."""
    try:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = bbox
        numbers = [float(number) for number in (ax, ay, bx, by, cx, cy, dx, dy)]
    except (TypeError, ValueError, OverflowError):
        return _NOWHERE
    if not all(map(math.isfinite, numbers)):
        return _NOWHERE
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
