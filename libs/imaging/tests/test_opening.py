"""Files are opened within limits; what is wrong with one is an error of one family."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ocrstream_imaging import (
    ImageFileError,
    TooManyFramesError,
    TooManyPixelsError,
    UndecodableError,
    first_frame,
    load_upright,
    tiff_pages,
)

LEVELS = (10, 20, 30)


def saved(kind: str, *, size: tuple[int, int] = (8, 6), frames: int = 1, **options: Any) -> bytes:
    images = [Image.new("L", size, level) for level in LEVELS[:frames]]
    if frames > 1:
        options |= {"save_all": True, "append_images": images[1:]}
    written = io.BytesIO()
    images[0].save(written, kind, **options)
    return written.getvalue()


def opened(content: bytes, **limits: int) -> tuple[int, int]:
    with first_frame(content, **{"max_pixels": 100, **limits}) as image:
        load_upright(image, 100)
        return image.size


def levels(path: Path, *, max_pages: int = 3, max_pixels: int = 100) -> list[Any]:
    pages = tiff_pages(path, max_pages=max_pages, max_pixels=max_pixels)
    return [page.getpixel((0, 0)) for page in pages]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.tiff"


def test_a_file_within_the_limits_is_opened() -> None:
    assert opened(saved("PNG")) == (8, 6)
    assert opened(saved("GIF", frames=3), max_frames=3) == (8, 6)


def test_more_pixels_than_allowed_are_an_error_of_the_header() -> None:
    with pytest.raises(TooManyPixelsError, match="11 x 10 pixels; at most 100"):
        opened(saved("PNG", size=(11, 10))[:60])
    claims_much = bytearray(saved("BMP"))
    claims_much[18:26] = (30_000).to_bytes(4, "little") * 2
    with pytest.raises(TooManyPixelsError, match="more than 100 pixels, the most"):
        opened(bytes(claims_much))


def test_more_frames_than_allowed_are_an_error() -> None:
    with pytest.raises(TooManyFramesError, match="3 frames; at most 2"):
        opened(saved("GIF", frames=3), max_frames=2)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an image"),
        (b"%PDF-1.7", "not an image"),
        (saved("ICO", size=(16, 16)), "not an image"),
        (saved("PNG")[:50], "broken image"),
        (saved("JPEG")[:-20], "broken image"),
    ],
    ids=["empty", "PDF", "ICO", "cut PNG", "cut JPEG"],
)
def test_no_whole_image_is_undecodable(content: bytes, why: str) -> None:
    with pytest.raises(UndecodableError, match=why):
        opened(content)


def _png_with_a_wrong_checksum() -> bytes:
    content = bytearray(saved("PNG"))
    content[29] ^= 1  # in the checksum of the first chunk
    return bytes(content)


def _jpeg_of_twelve_bits() -> bytes:
    content = bytearray(saved("JPEG"))
    content[content.index(b"\xff\xc0") + 4] = 12
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_png_with_a_wrong_checksum(), "PNG: .*checksum"),
        (_jpeg_of_twelve_bits(), "JPEG: .*12-bit"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC; convert"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC; convert"),
        (b"%PDF-1.7", "PDF, which must be uploaded"),
    ],
    ids=["checksum", "12 bits", "HEIC", "HEIC by its second brand", "PDF"],
)
def test_what_pillow_does_not_open_is_named(content: bytes, why: str) -> None:
    with pytest.raises(UndecodableError, match=why):
        opened(content)


def test_a_ppm_that_takes_minutes_is_undecodable_at_once() -> None:
    size = 4_000_000
    header = b"3000 2700 "
    limits = {"max_pixels": 10_000_000}
    slow = {
        b"P3 " + header + b"255\n" + b"0 " * (3 * size): "bytes in text form",
        b"P3 " + header + b"255\n" + b"#\n" * size: "comments in text form",
        b"P6 #" + b"a" * size + b"\n" + header + b"255\n": "no complete PPM header",
        b"P6 " + header + b"254\n" + bytes(size): "greatest level other than 255",
    }
    for content, why in slow.items():
        with pytest.raises(UndecodableError, match=why):
            opened(content, **limits)


@pytest.mark.parametrize(
    "content",
    [
        b"P3 # comment\n8 6 255\n" + b"7 " * 144,
        b"P1 8 6\n" + b"1" * 48,
        b"P6 8 6 254\n" + bytes(144),
        b"P5 8 6 4095\n" + bytes(96),
        b"P6 8 6 255\n" + bytes(144),
    ],
    ids=["text", "bits", "other greatest level", "12 bits", "usual"],
)
def test_other_ppm_files_are_decoded(content: bytes) -> None:
    assert opened(content) == (8, 6)


def test_pages_come_in_order(path: Path) -> None:
    path.write_bytes(saved("TIFF", frames=3))
    assert levels(path) == list(LEVELS)


@pytest.mark.parametrize(
    "content", [saved("TIFF"), saved("TIFF", size=(1000, 1000))], ids=["small", "large"]
)
def test_one_frame_is_no_page_whatever_its_size(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert levels(path) == []
    assert levels(path, max_pages=0) == []


@pytest.mark.parametrize("max_pages", [0, 1, 2])
def test_more_pages_than_allowed_are_an_error(path: Path, max_pages: int) -> None:
    path.write_bytes(saved("TIFF", frames=3))
    with pytest.raises(TooManyFramesError):
        levels(path, max_pages=max_pages)


def test_a_page_with_too_many_pixels_is_named(path: Path) -> None:
    path.write_bytes(saved("TIFF", frames=2))
    with pytest.raises(TooManyPixelsError, match="page 1 has 8 x 6 pixels; at most 47"):
        levels(path, max_pixels=47)


def test_a_broken_page_is_an_error_and_no_missing_page(path: Path) -> None:
    whole = saved("TIFF", frames=3, compression="tiff_lzw")
    for size in range(9, len(whole), 7):
        path.write_bytes(whole[:size])
        try:
            found = levels(path)
        except ImageFileError:
            continue
        # What remains of the first may look like a file of one frame.
        assert found in ([], list(LEVELS))
