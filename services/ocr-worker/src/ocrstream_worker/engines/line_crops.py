"""Lines cut from a page, and the pieces of them by which one sees which way up they are."""

from collections.abc import Iterator

import cv2
import numpy as np

from ocrstream_worker.engines.line_directions import DirectedArea
from ocrstream_worker.engines.port import RgbImage

# Recognisers look at lines of 48 pixels; more than twice as many would be shrunk with gaps.
_MAX_HEIGHT = 96
_PIECE_RATIO = 4
_MAX_PIECES = 3


def cut(image: RgbImage, area: DirectedArea) -> RgbImage:
    """The area as an image of its own, its text running to the right."""
    scale = min(1.0, _MAX_HEIGHT / area.height)
    width, height = max(1, round(area.length * scale)), max(1, round(area.height * scale))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    corners = area.corners
    # Warped from its surroundings alone: a shrunk copy of a large page for each line would be dear.
    left, top = np.floor(corners.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 2
    rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    around = image[rows, columns]
    corners = corners - (columns.start, rows.start)
    if scale < 1.0:
        size = max(1, round(around.shape[1] * scale)), max(1, round(around.shape[0] * scale))
        shrunk = cv2.resize(around, size, interpolation=cv2.INTER_AREA)
        corners = corners * (size[0] / around.shape[1], size[1] / around.shape[0])
        around = shrunk
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return cv2.warpPerspective(  # pyright: ignore[reportReturnType]
        around, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def pieces(line: RgbImage) -> Iterator[RgbImage]:
    """Parts of the line that are four times as wide as high, spread over it; one, if it is shorter.

    A whole line squeezed into that shape looks the same either way up.
    """
    height, width = line.shape[:2]
    piece = height * _PIECE_RATIO
    if width <= piece:
        yield line
        return
    count = min(_MAX_PIECES, -(-width // piece))
    for number in range(count):
        left = round(number * (width - piece) / max(1, count - 1))
        yield line[:, left : left + piece]
