"""Pages with known text, drawn plainly."""

from collections.abc import Sequence

import cv2
import numpy as np
from accuracy.fonts import FontMissing
from accuracy.sheet import Style, draw_column
from engine_pages import blank
from not_run import not_run
from PIL import Image

from ocrstream_worker.engines.port import RgbImage

SANS = cv2.FontFace("sans")


def drawn_lines(texts: Sequence[str], *, size: int = 30, margin: int = 40) -> RgbImage:
    """Black on white, from the left, in a margin of paper; a line is twice as high as its letters.

    In OpenCV's own font, which has Chinese and kana.
    """
    ends = [cv2.getTextSize((0, 0), text, (0, 0), SANS, size, 400) for text in texts]
    image = blank(
        2 * margin + 2 * size * len(texts), 2 * margin + max(x + w for x, _, w, _ in ends)
    )
    for row, text in enumerate(texts):
        origin = (margin, margin + int((2 * row + 1.4) * size))
        cv2.putText(image, text, origin, (0, 0, 0), SANS, size, 400)
    return image


def drawn_column(text: str, *, x_height: float = 18) -> RgbImage:
    """Japanese that runs downwards, with its vertical marks.

    Says that the test is not run where the font is missing.
    """
    try:
        strip = draw_column(list(text), Style("IPA Mincho", x_height, 0))
    except FontMissing as error:
        not_run("Japanese that runs downwards", error)
    return np.repeat(255 - strip.coverage[:, :, np.newaxis], 3, axis=2)


def askew(image: RgbImage, degrees: float) -> RgbImage:
    """Turned so that its lines rise to the right by so much, on more white paper."""
    page = Image.fromarray(image)
    return np.asarray(
        page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    )
