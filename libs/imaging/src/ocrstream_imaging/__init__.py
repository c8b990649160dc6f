"""From an image file to upright pixels: black and white, gray or RGB, by one rule for all services.

Upright by the EXIF tag, alpha on white, deeper samples scaled to 8 bits. Colour profiles change
nothing.
"""

from ocrstream_imaging.errors import (
    ImageFileError,
    TooManyFramesError,
    TooManyPixelsError,
    UndecodableError,
)
from ocrstream_imaging.opening import FORMATS, first_frame, tiff_pages
from ocrstream_imaging.plain import plain, plain_strips
from ocrstream_imaging.upright import is_turned, lies_on_its_side, load_upright

__all__ = [
    "FORMATS",
    "ImageFileError",
    "TooManyFramesError",
    "TooManyPixelsError",
    "UndecodableError",
    "first_frame",
    "is_turned",
    "lies_on_its_side",
    "load_upright",
    "plain",
    "plain_strips",
    "tiff_pages",
]
