"""Images of as many pixels as workers decode, small as files."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_SIDE = 10_000
_WORDS = "ONE HUNDRED"


def hundred_megapixels(folder: Path) -> list[Path]:
    """Files that all show the same words, in formats that take different room when decoded."""
    folder.mkdir()
    drawn = Image.new("L", (_SIDE, _SIDE), 255)
    draw = ImageDraw.Draw(drawn)
    for row in range(3):
        draw.text((600, 500 + 3_000 * row), _WORDS, 0, ImageFont.load_default(900))
    grey, alpha, cmyk, one_bit = (
        folder / name for name in ("grey.png", "alpha.png", "cmyk.jpg", "one-bit.tiff")
    )
    drawn.save(grey)
    drawn.convert("RGBA").save(alpha)
    drawn.convert("CMYK").save(cmyk, quality=60)
    drawn.convert("1").save(one_bit, compression="group4")
    return [grey, alpha, cmyk, one_bit]
