"""Ruled lines are taken from pages, and nothing else is."""

import numpy as np
import pytest
from drawn_text import drawn_lines
from engine_pages import blank
from numpy.typing import NDArray

from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.engines.ruled_lines import without_ruled_lines

TEXT = ["Ordered by the harbour office", "17 lamps of brass, 4 ropes", "Grand total 12.50 EUR"]


def ruled(page: RgbImage, thickness: int, ink: int) -> RgbImage:
    """A grid over the page; it stops short of the edges."""
    grid = page.copy()
    height, width = page.shape[:2]
    for y in range(4, height - 10, 60):
        grid[y : y + thickness, 5 : width - 5] = ink
    for x in range(5, width - 10, 150):
        grid[4 : height - 5, x : x + thickness] = ink
    return grid


def is_ink(page: RgbImage) -> NDArray[np.bool_]:
    return np.abs(page[:, :, 0].astype(int) - int(np.median(page))) > 60


@pytest.mark.parametrize("thickness", [1, 2, 4])
def test_of_a_grid_nothing_is_left(thickness: int) -> None:
    assert not is_ink(without_ruled_lines(ruled(blank(400, 700), thickness, 0))).any()


@pytest.mark.parametrize("inverted", [False, True])
def test_letters_between_lines_stay_as_they_are(inverted: bool) -> None:
    page = drawn_lines(TEXT, size=28)
    boxed = np.pad(page, ((30, 30), (30, 30), (0, 0)), constant_values=255)
    text = boxed.copy()
    for y in (10, boxed.shape[0] - 12):
        boxed[y : y + 2] = 0
    for x in (10, boxed.shape[1] - 12):
        boxed[:, x : x + 2] = 0
    if inverted:
        boxed, text = 255 - boxed, 255 - text
    assert (without_ruled_lines(boxed) == text).all()


def test_strokes_that_cross_a_line_stay() -> None:
    page = blank(400, 400)
    page[20:80, 190:200] = 0
    crossed = page.copy()
    crossed[60:62, 20:380] = 0
    assert without_ruled_lines(crossed) is crossed, "without lines that run down it is no table"
    crossed[60:360, 20:22] = 0
    ink = is_ink(without_ruled_lines(crossed))
    assert (ink[:, 191:199] == is_ink(page)[:, 191:199]).all()
    assert not ink[:, :189].any()


@pytest.mark.parametrize("size", [12, 24, 60])
def test_a_page_without_lines_is_given_back(size: int) -> None:
    page = drawn_lines([*TEXT, "Illinois |l1I!/- _"], size=size)
    assert without_ruled_lines(page) is page


@pytest.mark.parametrize("shape", [(1, 1), (99, 5_000), (5_000, 99), (101, 101)])
def test_pages_of_any_shape(shape: tuple[int, int]) -> None:
    for page in (blank(*shape), 255 - blank(*shape)):
        assert (without_ruled_lines(page) == page).all()
