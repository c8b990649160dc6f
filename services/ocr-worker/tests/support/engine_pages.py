"""Images that tests give to engines, and what they need of the machine."""

import cv2
import numpy as np
from not_run import not_run

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.engines.tesseract_library import TesseractLibrary

INK = (0, 0, 160)
"""Dark blue: what docTR's stand-in for detection sees, and everybody else can read."""


def blank(height: int, width: int) -> RgbImage:
    """A white raster."""
    return np.full((height, width, 3), 255, dtype=np.uint8)


def page(text: str, width: int = 560, height: int = 160) -> RgbImage:
    """One line in INK on white, its baseline's left end at (30, 90)."""
    image = blank(height, width)
    cv2.putText(image, text, (30, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, INK, 3)
    return image


def turned(image: RgbImage, quarter_turns: int) -> RgbImage:
    """The image, turned to the left."""
    return np.ascontiguousarray(np.rot90(image, quarter_turns))


def needs_tesseract(*models: str) -> None:
    """Says that the test is not run, and why, where Tesseract or a model is not installed."""
    try:
        TesseractLibrary(models, threads=1)
    except EngineUnavailableError as error:
        not_run("Tesseract", error)
