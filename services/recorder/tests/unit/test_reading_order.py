"""In which order the pieces of an image's text are read."""

from hypothesis import given
from hypothesis import strategies as st

from ocrstream_recorder.domain.reading_order import in_reading_order

Box = tuple[float, float, float, float]


def corners(box: Box) -> list[list[float]]:
    left, top, width, height = box
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


sizes = st.floats(1, 30)
boxes = st.tuples(st.floats(0, 500), st.floats(0, 500), sizes, sizes)


def test_a_skewed_line_stays_a_line() -> None:
    first, second, third = (0, 0, 90, 20), (100, 6, 90, 20), (0, 30, 90, 20)
    for given_order in ([third, second, first], [second, third, first]):
        assert in_reading_order(given_order, corners) == [first, second, third]


def test_a_slope_does_not_draw_lines_together() -> None:
    stairs = [(100 - 10 * step, 8 * step, 10, 12) for step in range(6)]
    assert in_reading_order(stairs, corners)[-1] in stairs[4:]


@given(st.lists(boxes, max_size=30))
def test_none_is_lost(pieces: list[Box]) -> None:
    ordered = in_reading_order(pieces, corners)
    assert sorted(ordered) == sorted(pieces)


@given(st.lists(st.integers(0, 9), max_size=10, unique=True))
def test_a_page_of_a_grid_is_read_line_by_line(cells: list[int]) -> None:
    pieces: list[Box] = [(100.0 * (n % 3), 40.0 * (n // 3), 90.0, 20.0) for n in cells]
    expected = [(100.0 * (n % 3), 40.0 * (n // 3), 90.0, 20.0) for n in sorted(cells)]
    assert in_reading_order(pieces, corners) == expected
