"""Fonts of Debian's packages, by short names, at an exact x-height."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import ImageFont

_FOLDER = Path("/usr/share/fonts")
# Package, file. All packages stand in requirements/apt.txt.
_FILES = {
    "Liberation Sans": ("fonts-liberation", "truetype/liberation/LiberationSans-Regular.ttf"),
    "Liberation Sans Bold": ("fonts-liberation", "truetype/liberation/LiberationSans-Bold.ttf"),
    "Liberation Serif": ("fonts-liberation", "truetype/liberation/LiberationSerif-Regular.ttf"),
    "Liberation Serif Italic": (
        "fonts-liberation",
        "truetype/liberation/LiberationSerif-Italic.ttf",
    ),
    "Liberation Mono": ("fonts-liberation", "truetype/liberation/LiberationMono-Regular.ttf"),
    "DejaVu Sans": ("fonts-dejavu-core", "truetype/dejavu/DejaVuSans.ttf"),
    "DejaVu Serif": ("fonts-dejavu-core", "truetype/dejavu/DejaVuSerif.ttf"),
    "Caladea": ("fonts-crosextra-caladea", "truetype/crosextra/Caladea-Regular.ttf"),
    "Open Sans": ("fonts-open-sans", "truetype/open-sans/OpenSans-Regular.ttf"),
    "EB Garamond": ("fonts-ebgaramond", "opentype/ebgaramond/EBGaramond12-Regular.otf"),
    "Courier Prime": ("fonts-courier-prime", "opentype/courier-prime/Courier Prime.otf"),
    "Inconsolata": ("fonts-inconsolata", "truetype/inconsolata/Inconsolata.otf"),
    "VL Gothic": ("fonts-vlgothic", "truetype/vlgothic/VL-Gothic-Regular.ttf"),
    "IPA Mincho": ("fonts-ipafont-mincho", "opentype/ipafont-mincho/ipam.ttf"),
    "WenQuanYi": ("fonts-wqy-microhei", "truetype/wqy/wqy-microhei.ttc"),
    "UMing": ("fonts-arphic-uming", "truetype/arphic/uming.ttc"),
    "Nanum Gothic": ("fonts-nanum", "truetype/nanum/NanumGothic.ttf"),
    "Nanum Barun Gothic": ("fonts-nanum", "truetype/nanum/NanumBarunGothic.ttf"),
    "Amiri": ("fonts-hosny-amiri", "opentype/fonts-hosny-amiri/Amiri-Regular.ttf"),
    "David": ("culmus", "truetype/culmus/DavidCLM-Medium.otf"),
    "Frank Ruehl": ("culmus", "truetype/culmus/FrankRuehlCLM-Medium.ttf"),
}
_MEASURED_AT = 1000
_LEAST_INK = 64


class FontMissing(Exception):
    """A font's file is not there."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(f"there is no font {name}. On Debian: apt-get install {package}")


def load_font(name: str, x_height: float) -> ImageFont.FreeTypeFont:
    """The font at the size at which its x is so many pixels high. Raises FontMissing."""
    return _open(name, x_height / x_share(name))


@cache
def x_share(name: str) -> float:
    """How high the font's x is, in shares of its size."""
    mask = _open(name, _MEASURED_AT).getmask("x")
    ink = np.asarray(mask, dtype=np.uint8).reshape(mask.size[::-1])
    # Boxes that fonts tell are larger than the ink in some.
    (rows,) = np.nonzero((ink > _LEAST_INK).any(axis=1))
    return float(rows[-1] + 1 - rows[0]) / _MEASURED_AT


def _open(name: str, size: float) -> ImageFont.FreeTypeFont:
    package, file = _FILES[name]
    path = _FOLDER / file
    if not path.is_file():
        raise FontMissing(name, package)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)
