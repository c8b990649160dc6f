"""How surely each pixel of a page is of a line of text, by a network that sees some megapixels.

A page that is too large for one look is looked at through windows that overlap. Their answers are
laid into one map before lines are taken from it, so no line is cut where two windows meet, and none
is found twice.
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
# An A4 page at 170 dpi is looked at as it is, and at once.
_WHOLE_PIXELS = 3_000_000
# A small picture is enlarged to that, for faint and tiny letters; but not by more than they need. A
# cut-out line is none.
_LEAST_PIXELS = 750_000
_LEAST_PICTURE_SIDE = 200
_MAX_ENLARGEMENT = 2.0
# The network finds lower-case letters of 4 to 100 pixels, so larger pages may be shrunk. They are
# not shrunk more: letters of 7 pixels are worth reading.
_MAX_SHRINK = 1.75
# Then letters of 300 pixels are found on a small page, and a page of a hundred megapixels is looked
# at whole.
_MORE_SHRINK = 3.0
# About what the network was taught on. It weighs what it sees against all else in its view: a lone
# word on a megapixel of blank paper is not found.
_WINDOW_SIDE = 736
_LEAST_INK = 0.03
# An answer depends on what lies so far around it, more or less.
_MARGIN = 64
# Letters at the very edge of a picture are not found without some paper around them.
_FRAME = 16
# The paper and the compression of an empty part of a page differ by less.
_BLANK_RANGE = 16


@dataclass(frozen=True)
class TextMap:
    """Probabilities from 0 to 255 on a shrunk or enlarged page in a frame.

    A point of the map, less `frame` in x and y, times `scale`, is one of the page. `windows`: how
    many the page was looked at through.
    """

    probabilities: NDArray[np.uint8]
    scale: float
    frame: int
    windows: int


def map_text(image: RgbImage, network: Network, scale: float | None = None) -> TextMap:
    """The map at a scale, else at the one at which the smallest text worth reading is found."""
    return _map_at(image, network, _best_scale(image) if scale is None else scale)


def map_large_text(image: RgbImage, network: Network) -> TextMap:
    """The map of the page shrunk much more, which shows letters that are too large in the other."""
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
    # Rounding and the frame may make it a little larger than what fits.
    if height * width <= 1.3 * _WHOLE_PIXELS and ink.mean() >= _LEAST_INK:
        return TextMap(_quantized(network(page)), scale, _FRAME, 1)
    probabilities = np.zeros((height, width), dtype=np.uint8)
    looked_at = 0
    for window in _windows(height, width):
        if not ink[window.blocks].any():
            continue
        looked_at += 1
        seen = _quantized(network(np.ascontiguousarray(page[window.pixels])))
        inner = window.inner(height, width)
        probabilities[inner.pixels] = seen[
            inner.top - window.top : inner.bottom - window.top,
            inner.left - window.left : inner.right - window.left,
        ]
    return TextMap(probabilities, scale, _FRAME, max(1, looked_at))


@dataclass(frozen=True)
class _Window:
    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def blocks(self) -> tuple[slice, slice]:
        """Rows and columns of the blocks that it touches."""
        return (
            slice(self.top // _STRIDE, -(-self.bottom // _STRIDE)),
            slice(self.left // _STRIDE, -(-self.right // _STRIDE)),
        )

    def inner(self, height: int, width: int) -> "_Window":
        """The part whose answers see all that they depend on."""
        return _Window(
            self.top + (_MARGIN if self.top else 0),
            self.bottom - (_MARGIN if self.bottom < height else 0),
            self.left + (_MARGIN if self.left else 0),
            self.right - (_MARGIN if self.right < width else 0),
        )


def _windows(height: int, width: int) -> Iterator[_Window]:
    """Windows of one size, since a network prepares itself anew for every size."""
    high, wide = min(height, _WINDOW_SIDE), min(width, _WINDOW_SIDE)
    for top, left in product(_starts(height, high), _starts(width, wide)):
        yield _Window(top, top + high, left, left + wide)


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin, so that their inner parts cover the whole length."""
    if length == window:
        return [0]
    count = math.ceil((length - 2 * _MARGIN) / (window - 2 * _MARGIN))
    return [round(n * (length - window) / (count - 1)) for n in range(count)]


def _scaled(image: RgbImage, scale: float) -> RgbImage:
    """One pixel for `scale` of the image's, along a side."""
    height, width = image.shape[:2]
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    if size == (width, height):
        return image
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC),
        np.uint8,
    )


def _framed(page: RgbImage) -> RgbImage:
    """In a frame of the paper's colour, with sides that are multiples of 32."""
    height, width = page.shape[:2]
    right = _FRAME + -(width + 2 * _FRAME) % _STRIDE
    bottom = _FRAME + -(height + 2 * _FRAME) % _STRIDE
    framed = cv2.copyMakeBorder(
        page, _FRAME, bottom, _FRAME, right, cv2.BORDER_CONSTANT, value=_paper(page)
    )
    return np.asarray(framed, np.uint8)


def _inked_blocks(page: RgbImage) -> NDArray[np.bool_]:
    """Which blocks of 32 by 32 pixels are not blank."""
    height, width = page.shape[:2]
    # Whole rows first, which are fast to compare.
    rows = page.reshape(height // _STRIDE, _STRIDE, width * 3)
    blocks = (height // _STRIDE, width // _STRIDE, _STRIDE, 3)
    darkest = rows.min(axis=1).reshape(blocks).min(axis=2)
    lightest = rows.max(axis=1).reshape(blocks).max(axis=2)
    return (lightest - darkest).max(axis=2) >= _BLANK_RANGE


def _paper(page: RgbImage) -> list[float]:
    """The colour that most of the page's edge has."""
    edge = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    return np.median(edge, axis=0).tolist()


def _quantized(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (probabilities * 255).astype(np.uint8)
