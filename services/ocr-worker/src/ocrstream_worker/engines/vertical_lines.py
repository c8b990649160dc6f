"""Rearranges vertical lines of Chinese and Japanese to run to the right.

A recogniser trained on horizontal lines reads a column turned on its side, but loses punctuation
and the mark of long kana, which have other forms and places there (JIS X 4051).
"""

import math
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import RgbImage

# Ink differs from the paper by more than this.
_INK = 40
# The fraction of the width at each edge where rules between columns stand.
_EDGE = 0.12
# Candidates for the distance of characters, as fractions of the detected column's width.
_PITCHES = np.arange(0.6, 1.3, 0.015)
# Penalizes a wide pitch: at twice the characters' distance as little ink is cut.
_PITCH_COST = 0.05


def to_horizontal_line(column: RgbImage) -> RgbImage | None:
    """Puts the characters of an upright column side by side; None for less than two.

    A point keeps about its relative position along the line.
    """
    edge = round(column.shape[1] * _EDGE)
    column = column[:, edge : column.shape[1] - edge]
    width = column.shape[1]
    paper = np.median(column.reshape(-1, 3), axis=0)
    ink = np.abs(column.astype(np.int16) - paper.astype(np.int16)).max(axis=2) > _INK
    rows = np.flatnonzero(ink.any(axis=1))
    if not rows.size or rows[-1] - rows[0] < 1.2 * width:
        return None
    cuts = _cuts(ink.sum(axis=1), int(rows[0]), int(rows[-1]) + 1, width)
    side = max(width, *(bottom - top for top, bottom in pairwise(cuts)))
    cells = [
        _horizontal(_squared(column[top:bottom], side, paper), paper)
        for top, bottom in pairwise(cuts)
    ]
    margin = np.full((side, max(1, side // 4), 3), paper, dtype=np.uint8)
    return np.hstack([margin, *cells, margin])


def _cuts(ink: NDArray[np.int64], first: int, last: int, width: int) -> list[int]:
    """Finds rows between characters: equidistant, and where least ink is cut."""
    best, least = [first, last], np.inf
    usual = float(ink[first:last].mean())
    for share in _PITCHES:
        pitch = share * width
        count = max(1, math.ceil((last - first) / pitch))
        # A column may begin or end with a mark that fills only a part of its cell.
        for begin in np.arange(first - pitch / 2, first + 1, max(1.0, pitch / 24)):
            inner = begin + pitch * np.arange(1, count + 1)
            inner = inner[inner < last - pitch / 5].round().astype(int)
            if not inner.size:
                continue
            cost = float(ink[inner].mean()) / usual + _PITCH_COST * share
            if cost < least:
                best, least = [first, *inner.tolist(), last], cost
    return best


def _squared(cell: RgbImage, side: int, paper: NDArray[np.float64]) -> RgbImage:
    height, width = cell.shape[:2]
    square = np.full((side, side, 3), paper, dtype=np.uint8)
    height = min(height, side)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cell[:height]
    return square


def _horizontal(cell: RgbImage, paper: NDArray[np.float64]) -> RgbImage:
    """The character's form in horizontal lines."""
    side = cell.shape[0]
    ink = np.abs(cell.astype(np.int16) - paper.astype(np.int16)).max(axis=2) > _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return cell
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    if height > side / 2 and width < height / 4:
        return np.ascontiguousarray(np.rot90(cell))
    if rows[-1] < side * 0.6 and columns[0] > side * 0.4 and max(height, width) < side / 2:
        return _moved(cell, paper)
    return cell


def _moved(cell: RgbImage, paper: NDArray[np.float64]) -> RgbImage:
    """Moves a comma or full stop from the upper right corner of its cell to the lower left."""
    side = cell.shape[0]
    matrix = np.array([[1, 0, -side * 0.5], [0, 1, side * 0.5]], dtype=np.float32)
    moved = cv2.warpAffine(
        cell, matrix, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=paper.tolist()
    )
    return np.asarray(moved, np.uint8)
