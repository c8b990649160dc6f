"""Areas of a map of text: where they lie, how they lie, and which are none."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocrstream_worker.engines.text_areas import find_text_areas
from ocrstream_worker.engines.text_map import TextMap

FRAME = 16


def map_of(
    *rectangles: tuple[tuple[float, float], tuple[float, float], float],
    sure: float = 1.0,
    scale: float = 1.0,
) -> TextMap:
    """Each is a centre, a size and degrees clockwise, without the frame."""
    drawn = np.zeros((900, 900), dtype=np.uint8)
    for (x, y), size, degrees in rectangles:
        corners = cv2.boxPoints(((x + FRAME, y + FRAME), size, degrees))
        cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], (int(sure * 255),))
    return TextMap(drawn, scale, FRAME, 1)


def grown(length: float, height: float) -> tuple[float, float]:
    """The size with what surrounds what the network was taught."""
    margin = length * height * 1.6 / (length + height)
    return length + margin, height + margin


@settings(max_examples=60)
@given(
    st.tuples(st.floats(300, 560), st.floats(300, 560)),
    st.floats(20, 500),
    st.floats(8, 120),
    st.floats(-180, 180),
    st.sampled_from([1.0, 1.75, 5.2]),
)
def test_a_rectangle_comes_back(
    center: tuple[float, float], length: float, height: float, degrees: float, scale: float
) -> None:
    assume(length > 1.2 * height)
    (area,) = find_text_areas(map_of((center, (length, height), degrees), scale=scale), 0.5)
    assert area.center == pytest.approx([scale * place for place in center], abs=1.5 * scale)
    wanted = grown(length, height)
    assert (area.length, area.height) == pytest.approx(
        [scale * side for side in wanted], abs=8 * scale
    )
    assert np.linalg.norm(area.along) == pytest.approx(1)
    angle = np.radians(degrees)
    # Half a pixel at each end of it.
    alike = abs(float(area.along @ (np.cos(angle), np.sin(angle))))
    assert alike >= np.cos(np.arctan(3 / length)) - 1e-9


def test_each_rectangle_is_an_area_of_its_own() -> None:
    places = [(200.0, 100.0), (200.0, 140.0), (600.0, 140.0)]
    found = find_text_areas(map_of(*((place, (200, 20), 0) for place in places)), 0.5)
    assert sorted(area.center.round().tolist() for area in found) == [
        pytest.approx(place, abs=1) for place in places
    ]


def test_what_the_network_is_not_sure_of_is_left_out() -> None:
    text = map_of(((300, 300), (200, 30), 10), sure=0.6)
    assert len(find_text_areas(text, 0.5)) == 1
    assert find_text_areas(text, 0.7) == []
    assert find_text_areas(map_of(((300, 300), (200, 30), 10), sure=0.25), 0.1) == []


def test_specks_are_no_text() -> None:
    assert find_text_areas(map_of(((300, 300), (1, 1), 0), ((400, 400), (300, 0), 0)), 0.3) == []
    assert find_text_areas(map_of(), 0.3) == []


@pytest.mark.parametrize("place", [(-10, 400), (880, 400), (400, -10), (400, 880)])
def test_an_area_at_the_edge_of_the_map(place: tuple[float, float]) -> None:
    (area,) = find_text_areas(map_of((place, (60, 60), 45)), 0.3)
    assert np.isfinite(area.center).all()
    assert area.length >= area.height > 20
