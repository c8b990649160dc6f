"""Maps of text: windows that cover a page, places that lead back to it, and lone words."""

import cv2
import numpy as np
import pytest
from engine_pages import blank
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocrstream_worker.engines.port import EngineSettings, RgbImage
from ocrstream_worker.engines.rapidocr import RapidOcrEngine
from ocrstream_worker.engines.rapidocr_networks import RapidOcrNetworks
from ocrstream_worker.engines.text_areas import find_text_areas
from ocrstream_worker.engines.text_map import TextMap, map_large_text, map_text

# Fewer points than would make their colour that of the paper, which the edge tells.
SHARES = st.floats(0, 1, exclude_max=True)
POINTS = st.lists(st.tuples(SHARES, SHARES), max_size=10)
SIDES = st.integers(20, 2_400)


class Sees:
    """Takes the brightness of red for the probability; remembers what it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, page: RgbImage) -> NDArray[np.float32]:
        self.shapes.append(page.shape)
        assert not any(side % 32 for side in page.shape[:2])
        return (page[:, :, 0] / 255).astype(np.float32)


class SeesItsOwnEdge(Sees):
    """Is wrong within 64 pixels of the edge of all that it is given."""

    def __call__(self, page: RgbImage) -> NDArray[np.float32]:
        seen = np.ones_like(super().__call__(page))
        seen[64:-64, 64:-64] = 0
        return seen


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, POINTS)
def test_every_pixel_is_seen_wherever_windows_lie(
    height: int, width: int, points: list[tuple[float, float]]
) -> None:
    height = min(height, 2_900_000 // width)
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for x, y in points:
        image[int(y * height), int(x * width)] = 255
    text = map_text(image, Sees(), scale=1.0)
    on_page = text.probabilities[text.frame :, text.frame :][:height, :width]
    assert (on_page == image[:, :, 0]).all()


@pytest.mark.parametrize("size", [(2_950, 1_000), (576, 5_000), (1_700, 1_700), (4_000, 700)])
def test_what_lies_at_a_windows_edge_is_taken_from_its_neighbour(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), dtype=np.uint8)
    # Ink in every window, and on too few blocks for one look.
    image[50::300, 50::300] = 255
    network = SeesItsOwnEdge()
    text = map_text(image, network)
    assert text.windows == len(network.shapes) > 4
    assert not text.probabilities[64:-64, 64:-64].any()


def test_blank_windows_are_not_looked_at() -> None:
    network = Sees()
    assert map_text(blank(2_000, 1_400), network).windows == 1
    assert network.shapes == []
    page = blank(2_000, 1_400)
    page[1_900:1_920, 1_300:1_320] = 0
    assert map_text(page, network).windows == len(network.shapes) == 1
    # What a photograph's compression leaves of white paper is as blank.
    noisy = blank(2_000, 1_400) - np.random.default_rng(1).integers(0, 12, (2_000, 1_400, 1))
    assert map_text(noisy.astype(np.uint8), network).windows == 1
    assert len(network.shapes) == 1


def test_windows_of_one_page_have_one_size() -> None:
    network = Sees()
    page = blank(5_000, 5_000)
    page[::200, ::200] = 0
    assert map_text(page, network).windows > 1
    assert len(set(network.shapes)) == 1


@pytest.mark.parametrize(
    ("size", "shrink"), [((1_500, 2_000), 1.0), ((3_000, 2_000), 2**0.5), ((9_000, 6_000), 1.75)]
)
def test_large_pages_are_shrunk_no_more_than_small_letters_bear(
    size: tuple[int, int], shrink: float
) -> None:
    assert map_text(blank(*size), Sees()).scale == pytest.approx(shrink)


@pytest.mark.parametrize("size", [(700, 900), (3_000, 4_000), (576, 9_000), (6_001, 4_003)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_place_on_the_map_is_one_on_the_page(size: tuple[int, int], whole: bool) -> None:
    page = np.zeros((*size, 3), dtype=np.uint8)
    centers = [(size[1] * share, size[0] * (1 - share)) for share in (0.05, 0.31, 0.62, 0.93)]
    for x, y in centers:
        cv2.rectangle(page, (int(x) - 40, int(y) - 20), (int(x) + 39, int(y) + 19), (255,) * 3, -1)
    text = (map_large_text if whole else map_text)(page, Sees())
    found = sorted(find_text_areas(text, 0.5), key=lambda area: float(area.center[0]))
    assert len(found) == len(centers)
    for area, (x, y) in zip(found, centers, strict=True):
        # To a pixel of the map, as its size is rounded.
        assert area.center == pytest.approx([int(x), int(y)], abs=text.scale)


@pytest.fixture(scope="module")
def networks() -> RapidOcrNetworks:
    return RapidOcrEngine(EngineSettings())._networks  # pyright: ignore[reportPrivateUsage]


def with_a_word(size: tuple[int, int]) -> RgbImage:
    """Five letters, 48 by 17 pixels, in the middle."""
    page = blank(*size)
    place = (size[1] // 2 - 24, size[0] // 2 + 8)
    cv2.putText(page, "Total", place, (0, 0, 0), cv2.FontFace("sans"), 22)
    return page


@pytest.mark.parametrize("size", [(2_016, 1_408), (9_000, 9_000)])
def test_a_lone_word_on_a_large_blank_page_is_found(
    networks: RapidOcrNetworks, size: tuple[int, int]
) -> None:
    (area,) = find_text_areas(map_text(with_a_word(size), networks.detect), 0.5)
    assert area.center == pytest.approx([size[1] / 2, size[0] / 2], abs=6)
    assert area.length == pytest.approx(60, abs=15)


def test_looked_at_whole_that_word_is_not_found(networks: RapidOcrNetworks) -> None:
    """Why there are windows where little is to be seen."""
    whole = networks.detect(with_a_word((2_016, 1_408)))
    assert find_text_areas(TextMap((whole * 255).astype(np.uint8), 1.0, 0, 1), 0.5) == []
