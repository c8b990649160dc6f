"""A page lit unevenly, as by a lamp at its side, with the paper made as light everywhere."""

import numpy as np
from PIL import Image, ImageFilter

from ocrstream_worker.engines.port import RgbImage

_BLOCK = 16
_ROWS = 256
# Paper that differs by less over the page harms no engine.
_LEAST_SPREAD = 40.0
# A page that is darker than this in the middle is light text on dark paper, or a picture.
_DARK = 100.0


def correct_illumination(image: RgbImage) -> RgbImage:
    """The page, each part of it lightened until its paper is as light as the lightest.

    One that is lit evenly, or dark, is given back as it is.
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
    evened = np.empty_like(image)
    # Some rows at a time: as numbers of 32 bits a large page would take four times its memory.
    for top in range(0, len(image), _ROWS):
        rows = slice(top, top + _ROWS)
        share = np.float32(light) / np.maximum(around[rows], 1)
        evened[rows] = np.minimum(image[rows] * share[:, :, np.newaxis], 255)
    return evened
