"""Finds lines as areas of a text map: the last step of Differentiable Binarization.

Minghui Liao et al., arXiv:1911.08947.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.text_map import TextMap

# The values of PP-OCR's post-processing; the threshold of an area is a setting.
_PIXEL_THRESHOLD = 0.3
_UNCLIP_RATIO = 1.6
_MIN_SIDE = 3.0
_KERNEL = np.ones((2, 2), dtype=np.uint8)


@dataclass(frozen=True)
class TextArea:
    """A rectangle at any angle, in the page's pixels.

    `along`: the unit vector of its longer side, in either of its two directions.
    """

    center: NDArray[np.float64]
    along: NDArray[np.float64]
    length: float
    height: float


def find_text_areas(text: TextMap, threshold: float) -> list[TextArea]:
    """The areas whose mean probability is at least `threshold`, 0 to 1."""
    return list(_areas(text, threshold))


def _areas(text: TextMap, threshold: float) -> Iterator[TextArea]:
    probabilities = text.probabilities
    mask = cv2.dilate((probabilities > _PIXEL_THRESHOLD * 255).astype(np.uint8), _KERNEL)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        rectangle = cv2.minAreaRect(contour)
        center, (a, b), _ = rectangle
        if min(a, b) < _MIN_SIDE:
            continue
        corners = np.asarray(cv2.boxPoints(rectangle), np.float32)
        if _mean_inside(probabilities, corners) < threshold * 255:
            continue
        # The network was trained on lines that were shrunk on each side; this reverses it.
        grown = a * b * _UNCLIP_RATIO / (a + b)
        sides = corners[2] - corners[1], corners[1] - corners[0]
        side = max(sides, key=lambda one: float(np.linalg.norm(one))).astype(np.float64)
        yield TextArea(
            center=(np.array(center, dtype=np.float64) - text.frame) * text.scale,
            along=side / np.linalg.norm(side),
            length=(max(a, b) + grown) * text.scale,
            height=(min(a, b) + grown) * text.scale,
        )


def _mean_inside(probabilities: NDArray[np.uint8], corners: NDArray[np.float32]) -> float:
    height, width = probabilities.shape
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width - 1, height - 1)).astype(int)
    inside = np.zeros((bottom - top + 1, right - left + 1), dtype=np.uint8)
    cv2.fillPoly(inside, [(corners - (left, top)).astype(np.int32)], (1,))
    return cv2.mean(probabilities[top : bottom + 1, left : right + 1], inside)[0]
