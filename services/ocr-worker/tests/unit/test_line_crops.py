"""Lines cut from a page come out upright, whatever way they run."""

import cv2
import numpy as np
import pytest
from engine_pages import blank
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrstream_worker.engines.line_crops import crop_line, orientation_samples
from ocrstream_worker.engines.line_directions import OrientedArea
from ocrstream_worker.engines.port import RgbImage


def picture(length: int, height: int) -> RgbImage:
    """Red where it begins, green at its end, its upper half darker: nothing is like its reverse."""
    image = blank(height, length)
    image[:, :, 0] = np.linspace(255, 0, length)
    image[:, :, 1] = np.linspace(0, 255, length)
    image[:, :, 2] = 128
    image[: height // 2] //= 2
    return image


def laid(image: RgbImage, area: OrientedArea, size: tuple[int, int] = (700, 900)) -> RgbImage:
    """A grey page with the picture where the area is."""
    height, width = image.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height)], dtype=np.float32) - 0.5
    target = area.corners[:3].astype(np.float32) - 0.5
    page = np.full((*size, 3), 200, dtype=np.uint8)
    return np.asarray(
        cv2.warpAffine(
            image,
            cv2.getAffineTransform(source, target),
            size[::-1],
            page,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        ),
        dtype=np.uint8,
    )


def directed(degrees: float, length: float, height: float) -> OrientedArea:
    angle = np.radians(degrees)
    return OrientedArea(
        np.array([450.0, 350.0]), np.array([np.cos(angle), np.sin(angle)]), length, height
    )


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.sampled_from([0.0, 90.0, 180.0, 270.0]), st.floats(0, 360)),
    st.integers(120, 400),
    st.integers(20, 150),
)
def test_a_line_comes_out_upright(degrees: float, length: int, height: int) -> None:
    area = directed(degrees, length, height)
    line = crop_line(laid(picture(length, height), area), area)
    shrink = max(1.0, height / 72)
    assert line.shape[:2] == pytest.approx((height / shrink, length / shrink), abs=2.5)
    wanted = cv2.resize(picture(length, height), line.shape[1::-1], interpolation=cv2.INTER_AREA)
    # Without its rim, where the page shines through.
    inner = np.s_[4:-4, 4:-4]
    apart = np.abs(line[inner].astype(int) - wanted[inner].astype(int))
    assert apart.mean() < 8


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_pixels_of_level_lines_are_taken_as_they_are(degrees: int, turns: int) -> None:
    page = np.random.default_rng(3).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    line = crop_line(page, directed(degrees, 200, 40))
    x, y = (100, 20) if turns % 2 == 0 else (20, 100)
    assert (line == np.rot90(page[350 - y : 350 + y, 450 - x : 450 + x], turns)).all()


@settings(max_examples=300)
@given(
    st.tuples(st.floats(-300, 500), st.floats(-300, 500)),
    st.floats(0, 360),
    st.floats(6, 700),
    st.floats(6, 300),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
def test_areas_that_stick_out_of_the_page_are_cut_all_the_same(
    center: tuple[float, float], degrees: float, length: float, height: float, size: tuple[int, int]
) -> None:
    angle = np.radians(degrees)
    direction = np.array([np.cos(angle), np.sin(angle)])
    line = crop_line(blank(*size), OrientedArea(np.array(center), direction, length, height))
    assert line.dtype == np.uint8
    assert min(line.shape[:2]) >= 1
    assert max(line.shape[:2]) <= length + height
    assert (line == 255).all()


@given(st.integers(1, 80), st.integers(1, 1_200))
def test_pieces_have_their_true_shape_and_are_spread_over_the_line(height: int, width: int) -> None:
    line = np.zeros((height, width, 3), dtype=np.int32)
    line[:] = np.arange(width)[:, np.newaxis]
    found = list(orientation_samples(line))  # pyright: ignore[reportArgumentType]
    assert 1 <= len(found) <= 3
    if width > 4 * height:
        assert {one.shape[:2] for one in found} == {(height, 4 * height)}
    assert found[0][0, 0, 0] == 0
    assert found[-1][0, -1, 0] == width - 1
    if width <= 12 * height:
        seen = np.concatenate([one[0, :, 0] for one in found])
        assert set(seen.tolist()) == set(range(width))
