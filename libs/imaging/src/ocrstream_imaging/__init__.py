"""From an image file to upright pixels: black and white, gray or RGB, by one rule for all services.

Upright by the EXIF tag, alpha on white, deeper samples scaled to 8 bits. Colour profiles change
nothing.
"""

from ocrstream_imaging.basic_mode import basic_mode_strips, to_basic_mode
from ocrstream_imaging.errors import (
    ImageFileError,
    TooManyFramesError,
    TooManyPixelsError,
    UndecodableError,
)
from ocrstream_imaging.opening import FORMATS, first_frame, tiff_pages
from ocrstream_imaging.orientation import load_upright, needs_exif_transpose, swaps_width_and_height

__all__ = [
    "FORMATS",
    "ImageFileError",
    "TooManyFramesError",
    "TooManyPixelsError",
    "UndecodableError",
    "first_frame",
    "needs_exif_transpose",
    "swaps_width_and_height",
    "load_upright",
    "to_basic_mode",
    "basic_mode_strips",
    "tiff_pages",
]
