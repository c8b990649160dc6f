"""Which way lines run: geometry, held against pages whose lines are known."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocrstream_worker.engines.line_directions import (
    OrientedArea,
    orient,
    page_direction,
    turn_and_skew,
)
from ocrstream_worker.engines.port import TURNS, Turn
from ocrstream_worker.engines.text_areas import TextArea

RIGHT, DOWN = np.array([1.0, 0.0]), np.array([0.0, 1.0])
FLIPS = st.lists(st.booleans(), min_size=6, max_size=6)


def towards(degrees: float) -> NDArray[np.float64]:
    """Clockwise from the right."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def area(
    degrees: float,
    length: float = 300,
    height: float = 20,
    center: Sequence[float] = (500, 500),
    flip: bool = False,
) -> TextArea:
    along = towards(degrees + 180 * flip)
    return TextArea(np.array(center, dtype=np.float64), along, length, height)


def angle_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@given(st.floats(-40, 40), st.sampled_from([0, 90]), FLIPS)
def test_a_page_runs_as_its_lines_do(skew: float, base: int, flips: list[bool]) -> None:
    lines = [area(base + skew, 200 + 50 * n, flip=flip) for n, flip in enumerate(flips)]
    # Some that run across, and what has no direction.
    lines += [area(base + skew + 90, 150), area(base + skew + 45, 40, 39)]
    assert angle_between(page_direction(lines), towards(base + skew)) < 0.01


@given(FLIPS, st.floats(0, 180))
def test_one_line_that_is_askew_does_not_skew_the_page(flips: list[bool], degrees: float) -> None:
    level = [area(2, flip=flip) for flip in flips]
    assert angle_between(page_direction([*level, area(degrees, 250)]), towards(2)) < 0.01


def test_where_nothing_tells_a_page_runs_to_the_right() -> None:
    assert page_direction([]).tolist() == RIGHT.tolist()
    assert page_direction([area(90, 30, 29)]).tolist() == RIGHT.tolist()


@given(
    st.sampled_from([(300, 20), (60, 20), (24, 20)]),
    st.floats(-44, 44),
    st.floats(0, 360),
    st.booleans(),
)
def test_a_page_that_is_turned_has_its_lines_turned(
    size: tuple[int, int], degrees: float, turn: float, flip: bool
) -> None:
    one = orient(area(degrees, *size), RIGHT)
    other = orient(area(degrees + turn, *size, flip=flip), towards(turn))
    # Where three degrees decide whether a short line runs as the page does, both may be right.
    assume(abs(abs(degrees) - 3) > 0.01)
    assert angle_between(other.direction, towards(angle_of(one.direction) + turn)) < 0.01
    assert (other.length, other.height, other.perpendicular) == (
        one.length,
        one.height,
        one.perpendicular,
    )


def angle_of(direction: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(direction[1], direction[0])))


@pytest.mark.parametrize("flip", [False, True])
def test_lines_run_as_the_page_does(flip: bool) -> None:
    assert orient(area(1, flip=flip), RIGHT).direction == pytest.approx(towards(1))
    # Upside down as well: the page says from which end.
    assert orient(area(1, flip=flip), -RIGHT).direction == pytest.approx(towards(181))
    aside = orient(area(90, flip=flip), RIGHT)
    assert aside.direction == pytest.approx(DOWN)
    assert aside.perpendicular


def test_the_angle_of_a_short_line_is_the_pages() -> None:
    assert orient(area(2, 60), RIGHT).direction == pytest.approx(RIGHT)
    assert orient(area(2, 300), RIGHT).direction == pytest.approx(towards(2))
    assert orient(area(20, 60), RIGHT).direction == pytest.approx(towards(20))


def test_what_is_as_long_as_high_is_read_as_the_page_is() -> None:
    high = orient(area(90, 25, 20), RIGHT)
    assert high.direction == pytest.approx(RIGHT)
    assert (high.length, high.height) == (20, 25)
    assert not high.perpendicular


def test_corners_begin_at_the_texts_own_top_left() -> None:
    box = OrientedArea(np.array([100.0, 50.0]), RIGHT, 80, 20)
    assert box.corners.tolist() == [[60, 40], [140, 40], [140, 60], [60, 60]]
    assert box.reversed().corners.tolist() == [[140, 60], [60, 60], [60, 40], [140, 40]]
    down = OrientedArea(np.array([100.0, 50.0]), DOWN, 80, 20)
    assert down.corners.tolist() == [[110, 10], [110, 90], [90, 90], [90, 10]]


@given(st.sampled_from(TURNS), st.floats(-44.9, 44.9))
def test_turned_and_levelled_a_page_runs_to_the_right(turn: Turn, skew: float) -> None:
    # Lines that rise are turned to the left.
    found, rest = turn_and_skew(towards(-skew - turn))
    assert found == turn
    assert rest == pytest.approx(skew, abs=1e-6)
