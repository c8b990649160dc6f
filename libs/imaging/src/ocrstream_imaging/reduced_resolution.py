"""The note in a page's PNG that it was rendered at a lower resolution than others.

It is part of the file, so whoever reads the image later finds it, on a retry or reprocessing, too.
"""

import re
from typing import NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

_KEYWORD = "ocrstream-reduced-resolution"
_VALUE = re.compile(r"([1-9][0-9]{0,3}) of ([1-9][0-9]{0,3}) dpi")


class ReducedResolution(NamedTuple):
    """The resolution of a page and the one that it should have had, in dots per inch."""

    dpi: int
    configured_dpi: int

    def as_png_info(self) -> PngInfo:
        """The note, to save with the page."""
        info = PngInfo()
        info.add_text(_KEYWORD, f"{self.dpi} of {self.configured_dpi} dpi")
        return info


def reduced_resolution(image: Image.Image) -> ReducedResolution | None:
    """Returns the note of an opened file; None for a file without one."""
    found = _VALUE.fullmatch(str(image.info.get(_KEYWORD, "")))
    return found and ReducedResolution(int(found[1]), int(found[2]))
