"""Lines cut from a page, and the pieces of them by which one sees which way up they are."""

from collections.abc import Iterator

import cv2
import numpy as np

from ocrstream_worker.engines.line_directions import OrientedArea
from ocrstream_worker.engines.port import RgbImage

# Recognisers look at lines of 48 pixels. Those that are much higher are shrunk before they are
# turned: it is faster, and leaves no gaps between the pixels that count.
_MAX_HEIGHT = 72
# How often a line that runs this way is turned to the left to run to the right.
_LEFT_TURNS = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}
_PIECE_RATIO = 4
_MAX_PIECES = 3


def cut(image: RgbImage, area: OrientedArea) -> RgbImage:
    """The area as an image of its own, its text running to the right."""
    corners = area.corners
    # From its surroundings alone: a shrunk copy of a large page for each line would be dear.
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0)).astype(int), 0)
    around = image[top:bottom, left:right]
    if not around.size:
        return np.full((1, 1, 3), 255, dtype=np.uint8)
    scale = min(1.0, _MAX_HEIGHT / area.height)
    if scale < 1.0:
        size = max(1, round(around.shape[1] * scale)), max(1, round(around.shape[0] * scale))
        around = np.asarray(cv2.resize(around, size, interpolation=cv2.INTER_AREA), np.uint8)
    # Level, or upright: its pixels are taken as they are.
    if min(abs(area.direction)) * area.length < 1:
        return np.rot90(around, _LEFT_TURNS[tuple(area.direction.round().astype(int))])
    width, height = max(1, round(area.length * scale)), max(1, round(area.height * scale))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    source = ((corners - (left, top)) * scale).astype(np.float32)
    line = cv2.warpPerspective(
        around,
        cv2.getPerspectiveTransform(source, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(line, np.uint8)


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
