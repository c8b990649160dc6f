"""Converts image files to upright pixels, black and white, gray or RGB.

All services share this one rule. Pixels are upright by the EXIF orientation, transparency shows
white, and samples of more than 8 bits are scaled to 8. Colour profiles are ignored.
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
from ocrstream_imaging.reduced_resolution import ReducedResolution, reduced_resolution

__all__ = [
    "FORMATS",
    "ImageFileError",
    "ReducedResolution",
    "TooManyFramesError",
    "TooManyPixelsError",
    "UndecodableError",
    "basic_mode_strips",
    "first_frame",
    "load_upright",
    "needs_exif_transpose",
    "reduced_resolution",
    "swaps_width_and_height",
    "tiff_pages",
    "to_basic_mode",
]
