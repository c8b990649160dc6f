"""A large image is converted in parts, and looks as if it had not been."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ocrstream_imaging import basic_mode_strips, to_basic_mode

WIDTH, HEIGHT = 700, 1000


def ramp(image: Image.Image) -> NDArray[np.uint8]:
    """As `plain` has it, and the same from strips."""
    whole = np.asarray(to_basic_mode(image).convert("RGB"))
    tops: list[int] = []
    parts: list[NDArray[np.uint8]] = []
    for top, strip in basic_mode_strips(image):
        tops.append(top)
        parts.append(np.asarray(strip.convert("RGB")))
    assert len(parts) > 1
    assert tops == [sum(len(part) for part in parts[:number]) for number in range(len(parts))]
    assert np.array_equal(np.vstack(parts), whole)
    return whole


@pytest.mark.parametrize("white", [255, 65535, 1_000_000])
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_white_is_what_is_white_in_the_whole_image(white: int, kind: type[np.generic]) -> None:
    levels = np.linspace(0, 200, HEIGHT).astype(np.uint8)
    levels[-1] = 255
    samples = np.repeat(levels[:, np.newaxis] / 255 * white, WIDTH, axis=1).astype(kind)
    shown = ramp(Image.fromarray(samples))
    assert np.abs(shown[:, 0, 0].astype(int) - levels).max() <= 1
    assert (shown == shown[:, :1, :1]).all()


def test_what_is_clear_shows_white_in_each_part() -> None:
    layers = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    layers[::2, :, 3] = 255
    shown = ramp(Image.fromarray(layers, "RGBA"))
    assert not shown[::2].any()
    assert (shown[1::2] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_plain_image_stays(mode: str) -> None:
    image = Image.new(mode, (9, 9))
    assert to_basic_mode(image) is image
