"""PDFs as a reader of PDFs has them: pages, pictures, and text where it was read."""

import io
import math
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from exported import box, export, failed, image
from PIL import Image

from ocrstream_recorder.export.formats import Format
from ocrstream_recorder.export.model import Box, ExportImage, Point
from ocrstream_recorder.export.pdf import DPI
from ocrstream_recorder.export.pdf_images import PdfImages, as_pdf_image
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_recorder.pictures.source import ImageSource, NoPictureError
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores

TEXTS = {
    "latin": box("Grüße, World", 20, 20, 300, 40),
    "korean": box("안녕하세요 세계", 20, 100, 300, 40),
    "chinese": box("合同編號", 20, 160, 250, 30),
    "arabic": box("مرحبا بالعالم", 20, 200, 200, 30),
    "hebrew": box("שלום (עולם)", 250, 200, 160, 30),
    "upward": box("turned text", 500, 380, 200, 30, turn=90),
    "slanted": box("slanted words", 60, 330, 250, 30, turn=15),
    "downward": box("請求書の控え", 590, 20, 170, 28, turn=-90),
    "slanted hebrew": box("שלום עולם", 350, 330, 100, 20, turn=15),
    "upside down": box("heads over", 480, 380, 150, 30, turn=180),
}


@pytest.fixture(scope="module")
def pool() -> PicturePool:
    return PicturePool(1)


@pytest.fixture
def pictures(tmp_path: Path, pool: PicturePool) -> PdfImages:
    folders = AllowedFolders([tmp_path], max_bytes=1 << 24)
    return PdfImages(ImageSource(folders, AllowedStores((), max_bytes=0), fetch_timeout_s=60), pool)


def picture(folder: Path, name: str = "a.png", mode: str = "RGB", **how: Any) -> str:
    """A reference to an image whose upper left quarter is dark."""
    shown = Image.new("L", (600, 400), 255)
    shown.paste(0, (0, 0, 300, 200))
    shown.convert(mode).save(folder / name, **how)
    return (folder / name).as_uri()


def opened(pictures: PdfImages, *images: ExportImage, title: str = "t") -> Any:
    document = export(Format.PDF, *images, open_pdf_image=pictures.open, title=title)
    return pypdfium2.PdfDocument(document)


def characters(page: Any) -> list[tuple[str, Point, tuple[float, float, float, float]]]:
    """Each with the middle of its place and its extent, in pixels of the image."""
    scale = 72 / DPI
    height = page.get_height()
    text = page.get_textpage()
    found: list[tuple[str, Point, tuple[float, float, float, float]]] = []
    for number in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(number)
        place = (left / scale, (height - top) / scale, right / scale, (height - bottom) / scale)
        middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        found.append((text.get_text_range(number, 1), middle, place))
    return found


def holds(one: Box, point: Point) -> bool:
    """Whether a point lies in a box's polygon, or half a pixel beside it."""
    x, y = point
    corners = zip(one.polygon, one.polygon[1:] + one.polygon[:1], strict=True)
    return all(
        ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / math.dist((ax, ay), (bx, by)) > -0.5
        for (ax, ay), (bx, by) in corners
    )


@pytest.mark.parametrize("script", TEXTS)
def test_text_is_found_again_where_it_was_read(
    script: str, tmp_path: Path, pictures: PdfImages
) -> None:
    one = TEXTS[script]
    page = opened(pictures, image(one, image_path=picture(tmp_path)))[0]
    found = [part for part in characters(page) if part[0].strip()]
    assert page.get_textpage().get_text_bounded() == one.text
    assert "".join(character for character, _, _ in found) == one.text.replace(" ", "")
    for character, middle, _ in found:
        assert holds(one, middle), (character, middle)
    # Together they fill the box.
    lefts, tops, rights, bottoms = zip(*(place for _, _, place in found), strict=True)
    reach = (min(lefts), min(tops), max(rights), max(bottoms))
    assert reach == pytest.approx(one.extent, abs=1.5)


def test_all_of_a_page_is_found_by_search_and_none_is_seen(
    tmp_path: Path, pictures: PdfImages
) -> None:
    reference = picture(tmp_path)
    page = opened(pictures, image(*TEXTS.values(), image_path=reference))[0]
    for one in TEXTS.values():
        assert page.get_textpage().search(one.text).get_next() is not None, one.text
    shown = page.render(scale=DPI / 72, grayscale=True).to_pil().convert("L")
    assert shown.size == (600, 400)
    assert shown.crop((305, 205, 600, 400)).getextrema() == (255, 255)
    assert shown.crop((0, 0, 295, 195)).getextrema() == (0, 0)


_TURNED = Image.Exif()
_TURNED[0x0112] = 6

KINDS: dict[str, dict[str, Any]] = {
    **{f"{mode}.png": {"mode": mode} for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")},
    **{f"{mode}.jpg": {"mode": mode} for mode in ("L", "RGB", "CMYK")},
    "progressive.jpg": {"progressive": True},
    "group4.tif": {"mode": "1", "compression": "group4"},
    "a.webp": {"lossless": True},
    "a.gif": {"mode": "P"},
    "float.tif": {"mode": "F"},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_picture_is_shown(name: str, tmp_path: Path, pictures: PdfImages) -> None:
    reference = picture(tmp_path, name, **KINDS[name])
    page = opened(pictures, image(box("text"), image_path=reference))[0]
    shown = page.render(scale=DPI / 72, grayscale=True).to_pil().convert("L")
    assert shown.size == (600, 400)
    # "I;16" is made of 8 bits: its white is dark.
    dark, white = shown.getpixel((100, 100)), shown.getpixel((500, 300))
    assert dark < 8
    assert white > 247 or name == "I;16.png"
    assert "text" in page.get_textpage().get_text_bounded()


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path, pictures: PdfImages) -> None:
    reference = picture(tmp_path, "a.jpg", exif=_TURNED)
    shown = opened(pictures, image(box("text"), image_path=reference))[0].render(scale=DPI / 72)
    upright = shown.to_pil().convert("L")
    assert upright.size == (400, 600)
    # The upper left quarter has become the upper right one.
    assert upright.getpixel((300, 100)) < 8
    assert upright.getpixel((100, 100)) > 247


def test_what_cannot_be_shown_says_so_and_keeps_its_text(
    tmp_path: Path, pictures: PdfImages
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    cut = Path(picture(tmp_path).removeprefix("file://")).read_bytes()[:60]
    (tmp_path / "cut.png").write_bytes(cut)
    names = {
        "broken.png": "broken or unsupported PNG",
        "none.jpg": "not an image",
        "cut.png": "broken image",
        "gone.png": "does not exist",
        "../out.png": "OCRSTREAM_IMAGE_ROOTS",
    }
    images = [image(box("its text"), image_path=f"{tmp_path.as_uri()}/{name}") for name in names]
    others = {
        "s3://bucket/a.png": "OCRSTREAM_OBJECT_STORES",
        "https://host/a.png": "does not read https://",
    }
    images += [image(box("its text"), image_path=reference) for reference in others]
    document = opened(pictures, *images, failed(error="계약서 is gone"))
    said = [page.get_textpage().get_text_bounded() for page in document]
    for text, why in zip(said, [*names.values(), *others.values(), None], strict=True):
        if why is not None:
            assert "its text" in text
            assert why in text
    assert "not read: not_found: 계약서 is gone" in said[-1]


def test_a_picture_that_says_it_is_huge_is_not_read() -> None:
    png = io.BytesIO()
    Image.new("1", (1, 1)).save(png, "PNG")
    huge = bytearray(png.getvalue())
    huge[16:24] = (60_000).to_bytes(4) * 2
    with pytest.raises(NoPictureError, match="60,000 x 60,000"):
        as_pdf_image(bytes(huge))


def test_a_bomb_harms_nobody(tmp_path: Path, pictures: PdfImages) -> None:
    # Not as it is into a PDF, for it has an alpha channel; 160 megapixels of nothing.
    Image.new("LA", (16_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(NoPictureError, match="at most 100,000,000"):
        pictures.open((tmp_path / "bomb.png").as_uri())


def test_more_characters_than_the_font_has_room_for_are_replaced(
    tmp_path: Path, pictures: PdfImages
) -> None:
    many = "".join(map(chr, range(0x20000, 0x20000 + 2_100)))
    boxes = [box(many[at : at + 50], y=at, width=600, height=40) for at in range(0, 2_100, 50)]
    text = opened(pictures, image(*boxes))[0].get_textpage().get_text_bounded()
    assert many[:50] in text
    assert many[-1] not in text


def test_titles_and_pages_of_a_long_document(pictures: PdfImages) -> None:
    images = [image(box(f"page {number}"), image_path=None) for number in range(300)]
    document = opened(pictures, *images, title="계약서 (1)\\")
    assert document.get_metadata_dict()["Title"] == "계약서 (1)\\"
    assert len(document) == 300
    assert document[299].get_textpage().get_text_bounded() == "page 299"
