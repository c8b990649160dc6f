"""Resizes images that engines do not accept: tiny, thin, or too long."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ocrstream_worker.engines.port import RgbImage


@dataclass(frozen=True)
class ResizedImage:
    """The resized pixels; `scale`: original pixels per pixel, in x and y."""

    pixels: RgbImage
    scale: tuple[float, float] = (1.0, 1.0)


def resize_to_limits(
    image: RgbImage, *, min_side: int, max_side: int, max_ratio: float
) -> ResizedImage:
    """Shrinks an image that is longer than `max_side`, then pads it with white.

    Padding at the right and bottom, which keeps coordinates, makes no side shorter than `min_side`
    and none more than `max_ratio` times the other. Shrinking comes first: a padded line of a
    hundred million pixels would not fit into memory.
    """
    height, width = image.shape[:2]
    scale = (1.0, 1.0)
    if max(height, width) > max_side:
        shrink = max(height, width) / max_side
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        scale = (width / size[0], height / size[1])
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    height, width = image.shape[:2]
    least = max(min_side, round(max(height, width) / max_ratio))
    right, bottom = max(least - width, 0), max(least - height, 0)
    if right or bottom:
        image = np.pad(image, ((0, bottom), (0, right), (0, 0)), constant_values=255)
    return ResizedImage(image, scale)
