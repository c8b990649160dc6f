"""Crops lines from a page, and samples of a line for the orientation classifier."""

from collections.abc import Iterator

import cv2
import numpy as np

from ocrstream_worker.engines.line_directions import OrientedArea
from ocrstream_worker.engines.port import RgbImage

# Recognisers scale lines to 48 pixels. Much higher ones are shrunk before they are turned, which is
# faster and samples all pixels.
_MAX_HEIGHT = 72
# The quarter turns to the left that make a line with this direction run to the right.
_LEFT_TURNS = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}
_SAMPLE_RATIO = 4
_MAX_SAMPLES = 3


def crop_line(image: RgbImage, area: OrientedArea) -> RgbImage:
    """Crops the area, turned so that its text runs to the right."""
    corners = area.corners
    # Only the line's surroundings: a shrunk copy of a large page for each line would be slow.
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0)).astype(int), 0)
    surroundings = image[top:bottom, left:right]
    if not surroundings.size:
        return np.full((1, 1, 3), 255, dtype=np.uint8)
    scale = min(1.0, _MAX_HEIGHT / area.height)
    if scale < 1.0:
        size = (
            max(1, round(surroundings.shape[1] * scale)),
            max(1, round(surroundings.shape[0] * scale)),
        )
        surroundings = np.asarray(
            cv2.resize(surroundings, size, interpolation=cv2.INTER_AREA), np.uint8
        )
    # Level or vertical: no interpolation is needed.
    if min(abs(area.direction)) * area.length < 1:
        return np.rot90(surroundings, _LEFT_TURNS[tuple(area.direction.round().astype(int))])
    width, height = max(1, round(area.length * scale)), max(1, round(area.height * scale))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    source = ((corners - (left, top)) * scale).astype(np.float32)
    line = cv2.warpPerspective(
        surroundings,
        cv2.getPerspectiveTransform(source, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(line, np.uint8)


def orientation_samples(line: RgbImage) -> Iterator[RgbImage]:
    """Yields parts of the line that are four times as wide as high, or a shorter line itself.

    The classifier cannot tell the orientation of a whole line squeezed into that shape.
    """
    height, width = line.shape[:2]
    sample_width = height * _SAMPLE_RATIO
    if width <= sample_width:
        yield line
        return
    count = min(_MAX_SAMPLES, -(-width // sample_width))
    for number in range(count):
        left = round(number * (width - sample_width) / max(1, count - 1))
        yield line[:, left : left + sample_width]
