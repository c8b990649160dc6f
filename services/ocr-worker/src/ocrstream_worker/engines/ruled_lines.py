"""A level page without the lines that tables are ruled with, which are read as letters."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrstream_worker.engines.port import RgbImage

# No stroke of a letter is as long and as thin, in pixels.
_LENGTH = 100
_THICKNESS = 6
# As far from the paper in grey levels, pixels are ink.
_INK = 48


def without_ruled_lines(page: RgbImage) -> RgbImage:
    """The page with paper where long thin lines run down, and where they run across beside those.

    Letters on them stay.
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
    """Where lines are, their blurred edges and crossings included; None if none of them runs down.

    Those of a form or a receipt, which run across only, are not taken for letters.
    """
    thick = _THICKNESS + 1
    down = _runs_down(ink, _LENGTH)
    lines = down & ~_runs_down(ink.T, thick).T
    if not lines.any():
        return None
    across = _runs_down(ink.T, _LENGTH).T
    lines |= across & ~_runs_down(ink, thick)
    crossings = down & across & _grown(lines, _THICKNESS)
    return _grown(lines | crossings, 1)


def _runs_down(ink: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Which pixels stand in so many or more of ink below each other."""
    if len(ink) < length:
        return np.zeros_like(ink)
    starts, reached = ink, 1
    while reached < length:
        step = min(reached, length - reached)
        starts = starts[:-step] & starts[step:]
        reached += step
    return _grown_down(starts, length)


def _grown(pixels: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Each pixel and so many on every side of it."""
    inner = slice(by, -by)
    return _grown_down(_grown_down(pixels, 2 * by + 1)[inner].T, 2 * by + 1)[inner].T


def _grown_down(pixels: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Each pixel made so long; the page grows by `length` - 1 rows."""
    reached = 1
    while reached < length:
        step = min(reached, length - reached)
        below = np.zeros((step, pixels.shape[1]), dtype=np.bool_)
        pixels = np.concatenate([pixels, below]) | np.concatenate([below, pixels])
        reached += step
    return pixels
