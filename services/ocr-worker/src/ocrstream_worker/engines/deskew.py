"""Turns and deskews a page, for engines that read level lines only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrstream_worker.engines.lines import Corners
from ocrstream_worker.engines.port import RgbImage, Turn

# Shows lines of ten pixels on an A4 page at 150 dpi; more would take longer.
_SIDE = 1_000
_MAX_SKEW = 16.0
_COARSE_DEGREES, _FINE_DEGREES = 1.0, 0.1
# Engines cope with less, and the rotation would blur the page.
_LEAST_SKEW = 0.3
# Rows of a smaller (shrunk) page tell nothing.
_LEAST_SIDE = 32
# A long strip grows many times when it is deskewed. A square page of a hundred megapixels fits.
_MAX_LEVELLED_PIXELS = 160_000_000


@dataclass(frozen=True)
class DeskewedPage:
    """A turned page, and the transform to the original page: `to_original @ (x, y, 1)`."""

    pixels: RgbImage
    to_original: NDArray[np.float64]

    def map_to_original(self, corners: Corners) -> list[list[float]]:
        """Maps points of the turned page to the original page."""
        points = np.column_stack([np.asarray(corners, dtype=np.float64), np.ones(len(corners))])
        return (points @ self.to_original.T).tolist()


def add_margin(image: RgbImage, width: int) -> RgbImage:
    """Adds a margin of the paper's colour, `width` pixels wide."""
    height, length = image.shape[:2]
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    page = np.empty((height + 2 * width, length + 2 * width, 3), dtype=np.uint8)
    page[:] = np.median(edge, axis=0)
    page[width : width + height, width : width + length] = image
    return page


def enlarge(image: RgbImage, factor: int) -> RgbImage:
    """Enlarges each side by the factor."""
    height, width = image.shape[:2]
    size = (width * factor, height * factor)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def rotate_and_deskew(image: RgbImage, turn: Turn, skew: float) -> DeskewedPage:
    """Turns the page clockwise by `turn` degrees, then by `skew` more; fills corners with paper.

    `skew`: the degrees by which lines rise to the right once the page is turned.
    """
    pixels = np.rot90(image, -turn // 90)
    height, width = image.shape[:2]
    to_original = {
        0: [[1, 0, 0], [0, 1, 0]],
        90: [[0, 1, 0], [-1, 0, height]],
        180: [[-1, 0, width], [0, -1, height]],
        270: [[0, -1, width], [1, 0, 0]],
    }[turn]
    if not skew:
        return DeskewedPage(np.ascontiguousarray(pixels), np.array(to_original, dtype=np.float64))
    height, width = pixels.shape[:2]
    paper = tuple(int(value) for value in np.median(pixels[:: max(1, height // 200)], axis=(0, 1)))
    level = np.asarray(
        Image.fromarray(pixels).rotate(
            -skew, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=paper
        )
    )
    angle = np.radians(skew)
    # Clockwise on the screen, about the center.
    inverse = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    new_middle = np.array([level.shape[1] / 2, level.shape[0] / 2])
    unskew = np.eye(3)
    unskew[:2, :2] = inverse
    unskew[:2, 2] = middle - inverse @ new_middle
    return DeskewedPage(level, np.array(to_original, dtype=np.float64) @ unskew)


def estimate_skew(image: RgbImage) -> float:
    """The degrees, -16 to 16, by which the lines of a page rise to the right.

    For lines that are turned by a quarter it is their angle to the vertical. 0 if the skew is too
    small to matter, cannot be estimated, or would make the page too large.

    At the right angle, rows differ most in their amount of ink: the sum of squared differences of
    neighbouring rows is greatest (W. Postl, US patent 4723297).
    """
    ink = _ink(image)
    if min(ink.shape) < _LEAST_SIDE or not ink.any():
        return 0.0
    coarse = np.arange(-_MAX_SKEW, _MAX_SKEW + _COARSE_DEGREES, _COARSE_DEGREES)
    best = _sharpest(ink, coarse)
    fine = np.arange(best - _COARSE_DEGREES, best + _COARSE_DEGREES, _FINE_DEGREES)
    skew = float(np.clip(_sharpest(ink, fine), -_MAX_SKEW, _MAX_SKEW))
    fits = _levelled_pixels(image, skew) <= _MAX_LEVELLED_PIXELS
    return round(skew, 1) if abs(skew) >= _LEAST_SKEW and fits else 0.0


def _levelled_pixels(image: RgbImage, skew: float) -> float:
    height, width = image.shape[:2]
    sine, cosine = abs(np.sin(np.radians(skew))), np.cos(np.radians(skew))
    return float((width * cosine + height * sine) * (width * sine + height * cosine))


def _ink(image: RgbImage) -> NDArray[np.float32]:
    """How far each pixel of the shrunk page is from the paper around it."""
    page = Image.fromarray(image).convert("L")
    page.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    gray = np.asarray(page, dtype=np.float32)
    away = np.abs(gray - np.median(gray))
    return np.where(away > 48, away, 0).astype(np.float32)


def _sharpest(ink: NDArray[np.float32], degrees: NDArray[np.float64]) -> float:
    ys, xs = np.nonzero(ink)
    weights = ink[ys, xs]
    return float(max(degrees, key=lambda angle: _sharpness(xs, ys, weights, np.radians(angle))))


def _sharpness(
    xs: NDArray[np.int64], ys: NDArray[np.int64], weights: NDArray[np.float32], angle: float
) -> float:
    rows = np.bincount(_bins(ys * np.cos(angle) + xs * np.sin(angle)), weights)
    columns = np.bincount(_bins(xs * np.cos(angle) - ys * np.sin(angle)), weights)
    return max(float(np.square(np.diff(one)).sum()) for one in (rows, columns))


def _bins(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    return (positions - positions.min()).astype(np.int64)
