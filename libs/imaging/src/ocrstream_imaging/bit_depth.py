"""Scales samples of 16 bits, 32 bits and floats to 8 bits.

A level is `sample * (255 / white) + 0.5` in single precision, clipped to 0..255 and rounded down.
White is 65535 in modes of 16 bits. Other modes declare no range: white is the smallest of the usual
maxima that no sample of the image exceeds, or else the greatest sample. NaN becomes black.
"""

from array import array
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageMath

from ocrstream_imaging.strips import strips

_EIGHT_BITS = 255
_SIXTEEN_BITS = 65535
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_GREATEST_FLOAT = 3.4028234663852886e38  # in single precision


def is_high_bit_depth(image: Image.Image) -> bool:
    """Whether Pillow decodes samples with more than 8 bits."""
    return image.mode in {"I", "F"} or image.mode.startswith("I;16")


def eight_bit_converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Returns a function that converts a part of the image to mode L.

    White is found in the whole image.
    """
    if image.mode == "F":
        greatest = max(_greatest(_positive(strip)) for _, strip in strips(image))
        white = next((white for white in _FLOAT_WHITES if greatest <= white), greatest)
        return partial(_floats, white=min(white, _GREATEST_FLOAT))
    greatest = _SIXTEEN_BITS if image.mode != "I" else _greatest(image)
    if greatest <= _EIGHT_BITS:
        return lambda strip: strip.convert("L")
    if greatest <= _SIXTEEN_BITS:
        return _sixteen_bits
    return lambda strip: _scaled(strip.convert("F"), greatest)


def _sixteen_bits(image: Image.Image) -> Image.Image:
    # Exact in any precision: no sample comes nearer to a half than 0.5 / 257.
    scale = _EIGHT_BITS / _SIXTEEN_BITS
    return image.convert("I").point(lambda sample: sample * scale + 0.5).convert("L")


def _floats(image: Image.Image, white: float) -> Image.Image:
    return _scaled(_positive(image), white)


def _scaled(image: Image.Image, white: float) -> Image.Image:
    """Scales in two steps, because Pillow computes each in double precision and stores it in
    single.
    """
    (scale,) = array("f", [_EIGHT_BITS / white])
    scaled = image.point(lambda sample: sample * scale + 0.0)
    return scaled.point(lambda sample: sample * 1.0 + 0.5).convert("L")


def _positive(image: Image.Image) -> Image.Image:
    """Replaces negative samples and NaN, which compares with nothing, by zero."""
    return ImageMath.lambda_eval(lambda of: of["max"](of["samples"], 0.0), samples=image)


def _greatest(image: Image.Image) -> float:
    return float(image.getextrema()[1])  # pyright: ignore[reportArgumentType]
