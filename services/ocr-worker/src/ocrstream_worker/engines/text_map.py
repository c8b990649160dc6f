"""The probability of each pixel of a page to be text, by a network with a limited view.

A page that is too large for one view is seen through overlapping windows. Their outputs are merged
into one map before lines are extracted. So no line is cut where two windows meet, and none is found
twice.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import RgbImage

Network = Callable[[RgbImage], NDArray[np.float32]]
"""From height by width by 3, both multiples of 32, to probabilities, height by width."""

_STRIDE = 32
# An A4 page at 170 dpi fits into one view without shrinking.
_WHOLE_PIXELS = 3_000_000
# A smaller picture is enlarged to this size, for faint and tiny letters, within a limit. A cropped
# line is not.
_LEAST_PIXELS = 750_000
_LEAST_PICTURE_SIDE = 200
_MAX_ENLARGEMENT = 2.0
# The network finds lower-case letters of 4 to 100 pixels, so larger pages may be shrunk; but not
# further, because letters of 7 pixels are readable.
_MAX_SHRINK = 1.75
# Finds letters of 300 pixels on a small page; fits a page of a hundred megapixels into one view.
_MORE_SHRINK = 3.0
# About the training size. The output depends on the whole view: the network does not find a single
# word on a megapixel of blank paper.
_WINDOW_SIDE = 736
_LEAST_INK = 0.03
# The output at a pixel depends on about this many pixels around it.
_MARGIN = 64
# The network does not find letters at the very edge of a picture.
_FRAME = 16
# Paper and compression noise of an empty part of a page vary by less.
_BLANK_RANGE = 16


@dataclass(frozen=True)
class TextMap:
    """Probabilities from 0 to 255 on a resized page with a frame.

    A point of the map, minus `frame` in x and y, times `scale`, is a point of the page. `windows`:
    the number of windows that the page was seen through.
    """

    probabilities: NDArray[np.uint8]
    scale: float
    frame: int
    windows: int


def map_text(image: RgbImage, network: Network, scale: float | None = None) -> TextMap:
    """The map at the given scale, or at the one that finds the smallest readable text."""
    return _map_at(image, network, _best_scale(image) if scale is None else scale)


def map_large_text(image: RgbImage, network: Network) -> TextMap:
    """The map of the page shrunk much more, which finds letters too large for `map_text`."""
    return _map_at(image, network, _best_scale(image) * _MORE_SHRINK)


def _best_scale(image: RgbImage) -> float:
    pixels = image.shape[0] * image.shape[1]
    if pixels < _LEAST_PIXELS and min(image.shape[:2]) >= _LEAST_PICTURE_SIDE:
        return max(math.sqrt(pixels / _LEAST_PIXELS), 1 / _MAX_ENLARGEMENT)
    return min(max(1.0, math.sqrt(pixels / _WHOLE_PIXELS)), _MAX_SHRINK)


def _map_at(image: RgbImage, network: Network, scale: float) -> TextMap:
    page = _framed(_scaled(image, scale))
    height, width = page.shape[:2]
    ink = _inked_blocks(page)
    # Rounding and the frame may make the page a little larger than the limit.
    if height * width <= 1.3 * _WHOLE_PIXELS and ink.mean() >= _LEAST_INK:
        return TextMap(_quantized(network(page)), scale, _FRAME, 1)
    probabilities = np.zeros((height, width), dtype=np.uint8)
    windows = 0
    for window in _windows(height, width):
        if not ink[window.blocks].any():
            continue
        windows += 1
        output = _quantized(network(np.ascontiguousarray(page[window.pixels])))
        inner = window.inner(height, width)
        probabilities[inner.pixels] = output[
            inner.top - window.top : inner.bottom - window.top,
            inner.left - window.left : inner.right - window.left,
        ]
    return TextMap(probabilities, scale, _FRAME, max(1, windows))


@dataclass(frozen=True)
class _Window:
    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The rows and columns of the window."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def blocks(self) -> tuple[slice, slice]:
        """The rows and columns of the blocks that it touches."""
        return (
            slice(self.top // _STRIDE, -(-self.bottom // _STRIDE)),
            slice(self.left // _STRIDE, -(-self.right // _STRIDE)),
        )

    def inner(self, height: int, width: int) -> "_Window":
        """The part whose output depends on pixels of the window alone."""
        return _Window(
            self.top + (_MARGIN if self.top else 0),
            self.bottom - (_MARGIN if self.bottom < height else 0),
            self.left + (_MARGIN if self.left else 0),
            self.right - (_MARGIN if self.right < width else 0),
        )


def _windows(height: int, width: int) -> Iterator[_Window]:
    """Windows of one size, because a network is compiled anew for every size."""
    high, wide = min(height, _WINDOW_SIDE), min(width, _WINDOW_SIDE)
    for top, left in product(_starts(height, high), _starts(width, wide)):
        yield _Window(top, top + high, left, left + wide)


def _starts(length: int, window: int) -> list[int]:
    """The starts of the windows, such that their inner parts cover the whole length."""
    if length == window:
        return [0]
    count = math.ceil((length - 2 * _MARGIN) / (window - 2 * _MARGIN))
    return [round(n * (length - window) / (count - 1)) for n in range(count)]


def _scaled(image: RgbImage, scale: float) -> RgbImage:
    """Resizes so that one pixel covers `scale` pixels of the image along a side."""
    height, width = image.shape[:2]
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    if size == (width, height):
        return image
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC),
        np.uint8,
    )


def _framed(page: RgbImage) -> RgbImage:
    """Adds a frame of the paper's colour; the sides become multiples of 32."""
    height, width = page.shape[:2]
    right = _FRAME + -(width + 2 * _FRAME) % _STRIDE
    bottom = _FRAME + -(height + 2 * _FRAME) % _STRIDE
    framed = cv2.copyMakeBorder(
        page, _FRAME, bottom, _FRAME, right, cv2.BORDER_CONSTANT, value=_paper(page)
    )
    return np.asarray(framed, np.uint8)


def _inked_blocks(page: RgbImage) -> NDArray[np.bool_]:
    """The blocks of 32 by 32 pixels that are not blank."""
    height, width = page.shape[:2]
    # Whole rows first, because they compare fastest.
    rows = page.reshape(height // _STRIDE, _STRIDE, width * 3)
    blocks = (height // _STRIDE, width // _STRIDE, _STRIDE, 3)
    darkest = rows.min(axis=1).reshape(blocks).min(axis=2)
    lightest = rows.max(axis=1).reshape(blocks).max(axis=2)
    return (lightest - darkest).max(axis=2) >= _BLANK_RANGE


def _paper(page: RgbImage) -> list[float]:
    """The median colour of the page's edge."""
    edge = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    return np.median(edge, axis=0).tolist()


def _quantized(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (probabilities * 255).astype(np.uint8)
