"""Converts images of any mode to a basic mode: 1, L or RGB, by Pillow's names."""

from collections.abc import Callable, Iterator

from PIL import Image

from ocrstream_imaging.bit_depth import eight_bit_converter, is_high_bit_depth
from ocrstream_imaging.strips import strips


def to_basic_mode(image: Image.Image) -> Image.Image:
    """Converts a decoded image to mode 1, L or RGB; returns it unchanged if it has one of them."""
    if not is_high_bit_depth(image):
        return _converter(image)(image)
    # Strip by strip: each of several scaling steps makes a copy.
    converted = Image.new("L", image.size)
    for top, strip in basic_mode_strips(image):
        converted.paste(strip, (0, top))
    return converted


def basic_mode_strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Converts in strips, from top to bottom, each with the number of its first row."""
    convert = _converter(image)
    for top, strip in strips(image):
        yield top, convert(strip)


def _is_basic(image: Image.Image) -> bool:
    # A gray image may declare one level transparent; its levels are taken as they are.
    return image.mode == "L" or (image.mode in {"1", "RGB"} and not image.has_transparency_data)


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    if _is_basic(image):
        return lambda strip: strip
    if is_high_bit_depth(image):
        return eight_bit_converter(image)
    if image.has_transparency_data:
        return _on_white
    return lambda strip: strip.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    layers = image if image.mode == "RGBA" else image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(layers, mask=layers)
    return paper
