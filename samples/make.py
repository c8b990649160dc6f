"""Draws the sample images that the demo reads: `python samples/make.py OUT_DIR`.

Same files every time, within seconds, on a machine without any font: OpenCV 5 carries its own,
with Latin, Chinese and Japanese characters. `manifest.json` beside the images says what each is and
which words must be read. What is drawn stands in `texts.json`.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_FONT = cv2.FontFace("sans")
_REGULAR, _BOLD = 400, 700
_INK = (20, 20, 24)
_LINE_PX = 38
_TEXT_PX = 22
_MARGIN_PX = 36


@dataclass(frozen=True)
class Sample:
    """One entry of `texts.json`. Columns of a line are parted by `|`.

    `layout` names a function of LAYOUTS, `save` one of FORMATS, `effect` one of EFFECTS.
    """

    name: str
    kind: str
    language: str
    save: str
    lines: list[str]
    contains: list[str]
    layout: str = ""
    effect: str = ""
    expect: str = "text"


def text_width(text: str, weight: int = _REGULAR) -> int:
    """How many pixels wide the text is drawn."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _FONT, _TEXT_PX, weight)[2])


def draw(page: Pixels, text: str, x: int, y: int, weight: int = _REGULAR) -> None:
    """Writes a text with its baseline's left end at (x, y)."""
    cv2.putText(page, text, (x, y), _INK, _FONT, _TEXT_PX, weight)


def blank_page(width: int, line_count: int) -> Pixels:
    """A white page with room for that many lines."""
    return np.full((2 * _MARGIN_PX + line_count * _LINE_PX, width, 3), 255, dtype=np.uint8)


def baseline(row: int) -> int:
    """Where the text of a row stands."""
    return _MARGIN_PX + row * _LINE_PX + _TEXT_PX


def draw_receipt(lines: list[str]) -> Pixels:
    """Name and closing centred, prices on the right, a rule above the total."""
    page = blank_page(430, len(lines))
    width = page.shape[1]
    for row, line in enumerate(lines):
        left, _, right = line.partition("|")
        weight = _BOLD if row == 0 or left.isupper() else _REGULAR
        if right:
            draw(page, left, _MARGIN_PX, baseline(row), weight)
            draw(
                page,
                right,
                width - _MARGIN_PX - text_width(right, weight),
                baseline(row),
                weight,
            )
        elif left:
            draw(page, left, (width - text_width(left, weight)) // 2, baseline(row), weight)
        elif row > 1:
            y = baseline(row) - _TEXT_PX // 3
            cv2.line(page, (_MARGIN_PX, y), (width - _MARGIN_PX, y), _INK, 1)
    return page


def draw_letter(lines: list[str]) -> Pixels:
    """Lines of running text, the first as a heading."""
    page = blank_page(580, max(len(lines), 8))
    for row, line in enumerate(lines):
        draw(page, line, _MARGIN_PX, baseline(row), _BOLD if row == 0 else _REGULAR)
    return page


def draw_table(lines: list[str]) -> Pixels:
    """A ruled grid with a heading row."""
    page = blank_page(600, len(lines))
    rows = [line.split("|") for line in lines]
    column_px = (page.shape[1] - 2 * _MARGIN_PX) // len(rows[0])
    right = _MARGIN_PX + column_px * len(rows[0])
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            x = _MARGIN_PX + column * column_px + 8
            draw(page, cell, x, baseline(row), _BOLD if row == 0 else _REGULAR)
    bottom = _MARGIN_PX + len(rows) * _LINE_PX
    for row in range(len(rows) + 1):
        y = _MARGIN_PX + row * _LINE_PX - 4
        cv2.line(page, (_MARGIN_PX, y), (right, y), _INK, 1)
    for column in range(len(rows[0]) + 1):
        x = _MARGIN_PX + column * column_px
        cv2.line(page, (x, _MARGIN_PX - 4), (x, bottom - 4), _INK, 1)
    return page


def draw_form(lines: list[str]) -> Pixels:
    """A heading, then labels with what was filled in, in boxes."""
    page = blank_page(580, len(lines) + 1)
    draw(page, lines[0], _MARGIN_PX, baseline(0), _BOLD)
    for row, line in enumerate(lines[1:], start=2):
        label, _, value = line.partition("|")
        y = baseline(row)
        draw(page, label, _MARGIN_PX, y)
        cv2.rectangle(page, (200, y - 27), (580 - _MARGIN_PX, y + 8), (120, 120, 130), 1)
        draw(page, value, 212, y)
    return page


def darken(page: Pixels) -> Pixels:
    """Light text on dark blue."""
    ground = np.array([28, 32, 48], dtype=np.float32)
    ink_share = 1 - page.astype(np.float32) / 255
    return (ground + ink_share * (235 - ground)).astype(np.uint8)


def add_noise(page: Pixels) -> Pixels:
    """A poor photocopy: uneven light, blur, grain."""
    height, width = page.shape[:2]
    light = np.linspace(0.72, 1.0, width, dtype=np.float32)[None, :, None]
    blurred = cv2.GaussianBlur(page, (3, 3), 0.8).astype(np.float32) * light
    grain = np.random.default_rng(7).normal(0, 22, (height, width, 1)).astype(np.float32)
    return np.clip(blurred + grain, 0, 255).astype(np.uint8)


def skew(page: Pixels) -> Pixels:
    """Turned by four degrees on a gray table."""
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 0.94)
    turned = cv2.warpAffine(
        page, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=(205, 205, 200)
    )
    return turned.astype(np.uint8)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def one_bit(image: Image.Image) -> Image.Image:
    """Black and white without dithering."""
    return image.convert("L").point([255 * (level > 140) for level in range(256)]).convert("1")


def sixteen_bit(image: Image.Image) -> Image.Image:
    """Gray in 65,536 levels."""
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def without_ground(image: Image.Image) -> Image.Image:
    """Black ink on transparent black: unreadable for who ignores the alpha channel."""
    ink = Image.eval(image.convert("L"), lambda level: 255 - level)
    cut_out = Image.new("RGBA", image.size, (0, 0, 0, 0))
    cut_out.putalpha(ink)
    return cut_out


def lying(image: Image.Image) -> bytes:
    """As a camera stores it: turned, with an EXIF tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = image.transpose(Image.Transpose.ROTATE_90)
    return encode(stored, "JPEG", quality=90, exif=exif)


LAYOUTS: dict[str, Callable[[list[str]], Pixels]] = {
    "receipt": draw_receipt,
    "letter": draw_letter,
    "table": draw_table,
    "form": draw_form,
}
EFFECTS: dict[str, Callable[[Pixels], Pixels]] = {
    "": lambda page: page,
    "dark": darken,
    "noise": add_noise,
    "skew": skew,
}
FORMATS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "png": (".png", lambda image: encode(image, "PNG")),
    "png-palette": (".png", lambda image: encode(image.quantize(32), "PNG")),
    "png-1bit": (".png", lambda image: encode(one_bit(image), "PNG")),
    "png-16bit": (".png", lambda image: encode(sixteen_bit(image), "PNG")),
    "png-alpha": (".png", lambda image: encode(without_ground(image), "PNG")),
    "jpeg": (".jpg", lambda image: encode(image, "JPEG", quality=88)),
    "jpeg-cmyk": (".jpg", lambda image: encode(image.convert("CMYK"), "JPEG", quality=90)),
    "jpeg-rotated": (".jpg", lying),
    "jpeg-truncated": (".jpg", lambda image: encode(image, "JPEG")[:-1500]),
    "tiff": (".tiff", lambda image: encode(image, "TIFF", compression="tiff_lzw")),
    "tiff-1bit": (".tiff", lambda image: encode(one_bit(image), "TIFF", compression="group4")),
    "webp": (".webp", lambda image: encode(image, "WEBP", quality=88)),
    "gif": (".gif", lambda image: encode(image, "GIF")),
    "bmp": (".bmp", lambda image: encode(image, "BMP")),
}


def render(sample: Sample) -> tuple[str, bytes]:
    """A sample's file name and content."""
    page = EFFECTS[sample.effect](LAYOUTS[sample.layout or sample.kind](sample.lines))
    suffix, save = FORMATS[sample.save]
    return sample.name + suffix, save(Image.fromarray(page))


def write(path: Path, content: bytes) -> None:
    """Replaces the file whole: a reader sees the old content or the new."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def main() -> int:
    """Writes all samples, then the manifest."""
    parser = argparse.ArgumentParser(description="Draw the sample images and their manifest.json.")
    parser.add_argument("folder", type=Path, metavar="OUT_DIR")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    texts = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
    manifest: list[dict[str, object]] = []
    for sample in (Sample(**entry) for entry in texts):
        name, content = render(sample)
        write(folder / name, content)
        manifest.append(
            {
                "file": name,
                "kind": sample.kind,
                "language": sample.language,
                "expect": sample.expect,
                "contains": sample.contains,
            }
        )
    write(folder / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    sys.stdout.write(f"{len(manifest)} sample images in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
