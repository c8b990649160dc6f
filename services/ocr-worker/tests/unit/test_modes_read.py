"""Whatever mode a page is stored in, the same text comes out as from its RGB version."""

from collections.abc import Callable

import numpy as np
import pytest
from hostile_files import saved
from PIL import Image, ImageDraw, ImageFont

from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import Engine, EngineSettings, Recognition, RecognitionOptions

LINES = ("INVOICE 4711", "Total 42.50 EUR")


def page() -> Image.Image:
    image = Image.new("RGB", (560, 200), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(48)
    for number, line in enumerate(LINES):
        draw.text((30, 25 + 80 * number), line, fill=(20, 20, 60), font=font)
    return image


def ink() -> Image.Image:
    """The page's strokes on nothing: black where the page is white, and transparent there."""
    gray = np.asarray(page().convert("L"))
    layers = np.zeros((*gray.shape, 4), np.uint8)
    layers[..., 3] = 255 - gray
    return Image.fromarray(layers, "RGBA")


def deep() -> Image.Image:
    return Image.fromarray(np.asarray(page().convert("L")).astype(np.uint16) * 257)


def turned(orientation: int, transpose: Image.Transpose) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(page().transpose(transpose), "JPEG", quality=95, exif=exif)


def palette_with_transparent_paper() -> bytes:
    bits = np.asarray(page().convert("L")) < 128
    image = Image.fromarray(bits.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    return saved(image, "PNG", transparency=0)


def animated(file_format: str) -> bytes:
    other = Image.new("RGB", page().size, "navy")
    return saved(page(), file_format, save_all=True, append_images=[other, other.rotate(90)])


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved(page(), "JPEG", quality=90),
    "gray": lambda: saved(page().convert("L"), "PNG"),
    "gray with alpha": lambda: saved(ink().convert("LA"), "PNG"),
    "alpha": lambda: saved(ink(), "PNG"),
    "WebP with alpha": lambda: saved(ink(), "WEBP", lossless=True),
    "palette": lambda: saved(page().quantize(16), "PNG"),
    "palette with transparency": palette_with_transparent_paper,
    "one bit PNG": lambda: saved(page().convert("1", dither=Image.Dither.NONE), "PNG"),
    "one bit fax TIFF": lambda: saved(
        page().convert("1", dither=Image.Dither.NONE), "TIFF", compression="group4"
    ),
    "16 bit PNG": lambda: saved(deep(), "PNG"),
    "16 bit TIFF": lambda: saved(deep(), "TIFF"),
    "32 bit TIFF": lambda: saved(deep().convert("I"), "TIFF"),
    "float TIFF": lambda: saved(
        Image.fromarray(np.asarray(page().convert("L")).astype(np.float32) / 255), "TIFF"
    ),
    "CMYK JPEG": lambda: saved(page().convert("CMYK"), "JPEG", quality=90),
    "CMYK TIFF": lambda: saved(page().convert("CMYK"), "TIFF"),
    "YCbCr TIFF": lambda: saved(page().convert("YCbCr"), "TIFF"),
    "Lab TIFF": lambda: saved(Image.merge("LAB", _lab()), "TIFF"),
    "turned by EXIF": lambda: turned(6, Image.Transpose.ROTATE_90),
    "upside down by EXIF": lambda: turned(3, Image.Transpose.ROTATE_180),
    "mirrored by EXIF": lambda: turned(2, Image.Transpose.FLIP_LEFT_RIGHT),
    "animated GIF": lambda: animated("GIF"),
    "animated PNG": lambda: animated("PNG"),
    "animated WebP": lambda: animated("WEBP"),
}


def _lab() -> list[Image.Image]:
    gray = page().convert("L")
    return [gray, Image.new("L", gray.size, 128), Image.new("L", gray.size, 128)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = create_engine(EngineSettings())
    made.warm_up()
    return made


def text(engine: Engine, file: bytes) -> list[str]:
    (outcome,) = engine.recognize([Decoder(DecodeLimits()).decode(file)], [RecognitionOptions()])
    assert isinstance(outcome, Recognition)
    return [box.text for box in outcome.boxes]


@pytest.fixture(scope="module")
def from_rgb(engine: Engine) -> list[str]:
    read = text(engine, saved(page(), "PNG"))
    assert [line.replace(" ", "") for line in read] == [line.replace(" ", "") for line in LINES]
    return read


@pytest.mark.parametrize("mode", FILES)
def test_the_same_text_comes_out(engine: Engine, from_rgb: list[str], mode: str) -> None:
    assert text(engine, FILES[mode]()) == from_rgb
