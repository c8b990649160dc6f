"""Corrects uneven illumination, as from a lamp beside the page."""

import numpy as np
from PIL import Image, ImageFilter

from ocrstream_worker.engines.port import RgbImage

_BLOCK = 16
_ROWS = 256
# Engines cope with smaller differences of the paper.
_LEAST_SPREAD = 40.0
# A page with a darker median is light text on dark paper, or a picture.
_DARK = 100.0


def correct_illumination(image: RgbImage) -> RgbImage:
    """Lightens each part of the page until its paper is as light as the lightest.

    Returns a page that is evenly lit, or dark, unchanged.
    """
    gray = Image.fromarray(image).convert("L")
    blocks = gray.resize(
        (max(1, gray.width // _BLOCK), max(1, gray.height // _BLOCK)), Image.Resampling.BOX
    )
    paper = blocks.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(2))
    dark, light = np.percentile(np.asarray(paper), (5, 95))
    if light - dark < _LEAST_SPREAD or np.median(np.asarray(blocks)) < _DARK:
        return image
    around = np.asarray(paper.resize(gray.size, Image.Resampling.BICUBIC))
    corrected = np.empty_like(image)
    # Some rows at a time: a large page in 32-bit floats would take four times its memory.
    for top in range(0, len(image), _ROWS):
        rows = slice(top, top + _ROWS)
        share = np.float32(light) / np.maximum(around[rows], 1)
        corrected[rows] = np.minimum(image[rows] * share[:, :, np.newaxis], 255)
    return corrected
