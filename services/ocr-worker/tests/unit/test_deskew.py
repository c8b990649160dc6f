"""Pages turned level, the way back to their own pixels, and how askew they are found to be."""

import numpy as np
import pytest
from drawn_text import askew, drawn_lines
from engine_pages import blank
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrstream_worker.engines.deskew import estimate_skew, rotate_and_deskew
from ocrstream_worker.engines.line_directions import turn_and_skew
from ocrstream_worker.engines.port import TURNS, Turn

TEXT = ["Ordered by the harbour office", "17 lamps of brass, 4 ropes", "Grand total 12.50 EUR"]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(TURNS),
    st.one_of(st.just(0.0), st.floats(-16, 16)),
    st.tuples(st.integers(40, 300), st.integers(40, 300)),
    st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
)
def test_a_mark_is_led_back_to_where_it_was(
    turn: Turn, skew: float, size: tuple[int, int], place: tuple[float, float]
) -> None:
    page = blank(*size)
    x, y = int(place[0] * size[1]), int(place[1] * size[0])
    page[y - 2 : y + 3, x - 2 : x + 3] = 0
    made = rotate_and_deskew(page, turn, skew)
    ys, xs = np.nonzero(made.pixels[:, :, 0] < 128)
    (back,) = made.map_to_original([(xs.mean() + 0.5, ys.mean() + 0.5)])
    # The middle of the pixel in the middle.
    assert back == pytest.approx([x + 0.5, y + 0.5], abs=1.0)


@pytest.mark.parametrize("turn", TURNS)
def test_without_skew_pixels_stay_what_they_are(turn: Turn) -> None:
    page = np.random.default_rng(7).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    assert (rotate_and_deskew(page, turn, 0).pixels == np.rot90(page, -turn // 90)).all()


def test_corners_are_filled_with_paper() -> None:
    page = np.full((200, 300, 3), (200, 180, 90), dtype=np.uint8)
    made = rotate_and_deskew(page, 0, 10)
    assert made.pixels.shape[0] > 200
    assert (made.pixels == (200, 180, 90)).all()


@pytest.mark.parametrize("degrees", [-15.0, -7.3, -1.0, 0.0, 0.6, 4.5, 10.0, 15.5])
@pytest.mark.parametrize("quarter_turns", [0, 1])
def test_how_far_lines_rise_is_found(degrees: float, quarter_turns: int) -> None:
    page = np.rot90(askew(drawn_lines(TEXT * 4, size=24), degrees), quarter_turns)
    assert estimate_skew(np.ascontiguousarray(page)) == pytest.approx(degrees, abs=0.3)
    assert estimate_skew(255 - page) == pytest.approx(degrees, abs=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3_000), (3_000, 1), (400, 300)])
def test_a_blank_page_is_level(shape: tuple[int, int]) -> None:
    assert estimate_skew(blank(*shape)) == 0.0
    assert estimate_skew(blank(*shape) // 3) == 0.0


@pytest.mark.parametrize("shape", [(60, 3_000), (3_000, 60), (20, 400), (10, 10)])
def test_what_is_too_thin_to_tell_is_level(shape: tuple[int, int]) -> None:
    page = blank(*shape)
    page[shape[0] // 3 : shape[0] // 2, shape[1] // 3 : shape[1] // 2] = 0
    assert estimate_skew(page) == 0.0


def test_a_strip_that_would_grow_too_large_is_left_askew() -> None:
    part = np.tile(askew(drawn_lines(TEXT), 12), (1, 3, 1))[:500, :1_000]
    assert estimate_skew(part) == pytest.approx(12, abs=0.3)
    assert estimate_skew(np.tile(part, (80, 1, 1))) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(0.0005, 0.2))
def test_chance_is_askew_by_no_more_than_engines_are_made_for(
    seed: int, side: int, share: float
) -> None:
    inked = np.random.default_rng(seed).random((side, 200, 1)) < share
    assert -16 <= estimate_skew(np.where(inked, 0, blank(side, 200)).astype(np.uint8)) <= 16


def test_a_levelled_page_is_level() -> None:
    page = askew(drawn_lines(TEXT * 4, size=24), 8)
    assert estimate_skew(rotate_and_deskew(page, 0, estimate_skew(page)).pixels) == 0.0


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("skew", [-12.0, 9.0])
def test_a_page_turned_as_its_lines_say_reads_to_the_right(turn: Turn, skew: float) -> None:
    angle = np.radians(-turn - skew)
    run = np.array([np.cos(angle), np.sin(angle)])
    made = rotate_and_deskew(blank(300, 200), *turn_and_skew(run))
    begin, end = made.map_to_original([(0, 0), (1, 0)])
    assert np.subtract(end, begin) == pytest.approx(run)
