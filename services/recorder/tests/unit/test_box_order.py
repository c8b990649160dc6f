"""Boxes as they are told: in reading order, whoever put them in it."""

from typing import Any

import pytest

from ocrstream_recorder.rules.box_order import boxes_in_order, corners


def square(top: float) -> list[list[float]]:
    return [[0, top], [9, top], [9, top + 4], [0, top + 4]]


def test_only_boxes_that_nobody_ordered_are_put_in_order() -> None:
    stored = [square(40), square(0)]
    assert boxes_in_order(stored, lambda box: box, lambda _: "", ordered=True) == stored
    assert boxes_in_order(stored, lambda box: box, lambda _: "", ordered=False) == stored[::-1]


@pytest.mark.parametrize(
    "bbox",
    [
        *(None, 5, "box", [], [1, 2, 3, 4], square(0)[:3], [[0, 0, 0]] * 4, [["a", 0]] * 4),
        *([[float("inf"), 0]] * 4, [[float("nan"), 0]] * 4, [[10**400, 0]] * 4),
    ],
)
def test_what_was_no_polygon_is_nowhere_and_not_lost(bbox: Any) -> None:
    assert corners(bbox) == ((0.0, 0.0),) * 4
    assert bbox in boxes_in_order([bbox, square(40)], lambda box: box, lambda _: "", ordered=False)
