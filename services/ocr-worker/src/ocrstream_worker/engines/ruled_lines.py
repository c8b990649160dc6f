"""Removes ruled lines of tables, which engines read as letters."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrstream_worker.engines.port import RgbImage

# In pixels; no stroke of a letter is as long and as thin.
_LENGTH = 100
_THICKNESS = 6
# Ink differs from the paper by more gray levels than this.
_INK = 48


def without_ruled_lines(page: RgbImage) -> RgbImage:
    """Erases long thin lines that run down, and those that run across beside them.

    Letters on the lines stay.
    """
    gray = np.asarray(Image.fromarray(page).convert("L"), dtype=np.int16)
    ink = np.abs(gray - np.int16(np.median(gray))) > _INK
    ruled = _ruled(ink)
    if ruled is None:
        return page
    cleaned = page.copy()
    cleaned[ruled] = np.median(page, axis=(0, 1)).astype(np.uint8)
    return cleaned


def _ruled(ink: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The pixels of lines with their blurred edges and crossings; None if no line runs down.

    Lines of a form or a receipt, which only run across, are not read as letters.
    """
    thick = _THICKNESS + 1
    down = _vertical_runs(ink, _LENGTH)
    lines = down & ~_vertical_runs(ink.T, thick).T
    if not lines.any():
        return None
    across = _vertical_runs(ink.T, _LENGTH).T
    lines |= across & ~_vertical_runs(ink, thick)
    crossings = down & across & _grown(lines, _THICKNESS)
    return _grown(lines | crossings, 1)


def _vertical_runs(ink: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """The pixels that are in a vertical run of at least `length` ink pixels."""
    if len(ink) < length:
        return np.zeros_like(ink)
    starts, reached = ink, 1
    while reached < length:
        step = min(reached, length - reached)
        starts = starts[:-step] & starts[step:]
        reached += step
    return _extended_down(starts, length)


def _grown(pixels: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Grows each pixel by so many on every side."""
    inner = slice(by, -by)
    return _extended_down(_extended_down(pixels, 2 * by + 1)[inner].T, 2 * by + 1)[inner].T


def _extended_down(pixels: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Extends each pixel downwards to this length; the page grows by `length` - 1 rows."""
    reached = 1
    while reached < length:
        step = min(reached, length - reached)
        below = np.zeros((step, pixels.shape[1]), dtype=np.bool_)
        pixels = np.concatenate([pixels, below]) | np.concatenate([below, pixels])
        reached += step
    return pixels
