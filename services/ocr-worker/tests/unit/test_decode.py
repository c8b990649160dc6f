"""Every mode of every format gives the pixels of the RGB original; broken files a typed error."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from ocrstream_imaging import ReducedResolution
from ocrstream_schemas.events import Reason, WarningCode
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.errors import ImageError, PermanentImageError

DECODER = Decoder(DecodeLimits(max_pixels=1_000_000))
WIDTH, HEIGHT = 64, 48


def drawing() -> Image.Image:
    """Black on white with one gray and one red area; even corners differ, so turns are seen."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 4, 20, 12), fill="black")
    draw.rectangle((30, 20, 60, 30), fill=(128, 128, 128))
    draw.rectangle((8, 32, 24, 44), fill=(224, 16, 16))
    return image


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def assert_same(data: bytes, expected: Image.Image, tolerance: int) -> None:
    pixels = DECODER.decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (expected.height, expected.width, 3)
    wanted = np.asarray(expected.convert("RGB")).astype(int)
    assert np.abs(pixels.astype(int) - wanted).max() <= tolerance


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG2000", {}, 0),
        ("JPEG", {"quality": 95, "subsampling": 0}, 24),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 24),
        ("GIF", {}, 8),
    ],
)
def test_formats(file_format: str, options: dict[str, object], tolerance: int) -> None:
    assert_same(saved(drawing(), file_format, **options), drawing(), tolerance)


def test_gray() -> None:
    gray = drawing().convert("L")
    assert_same(saved(gray, "PNG"), gray, 0)


def test_palette() -> None:
    palette = drawing().quantize(16)
    assert_same(saved(palette, "PNG"), drawing(), 8)


def test_one_bit() -> None:
    bits = drawing().convert("L").point([255 * (level > 200) for level in range(256)]).convert("1")
    for data in (saved(bits, "PNG"), saved(bits, "TIFF", compression="group4"), saved(bits, "PPM")):
        assert_same(data, bits.convert("RGB"), 0)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_gray_is_scaled(file_format: str) -> None:
    gray = drawing().convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert_same(saved(deep, file_format), gray, 1)


def test_sixteen_bit_ppm_is_scaled() -> None:
    levels = (np.asarray(drawing().convert("L")).astype(">u2") * 257).tobytes()
    data = f"P5 {WIDTH} {HEIGHT} 65535\n".encode() + levels
    assert_same(data, drawing().convert("L"), 1)


def test_float_tiff_from_zero_to_one() -> None:
    gray = drawing().convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.float32) / 255)
    assert_same(saved(deep, "TIFF"), gray, 1)


@pytest.mark.parametrize("file_format", ["TIFF", "JPEG"])
def test_cmyk(file_format: str) -> None:
    options = {"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}
    assert_same(saved(drawing().convert("CMYK"), file_format, **options), drawing(), 24)


def cut_out() -> Image.Image:
    """The drawing where everything white is transparent black instead."""
    pixels = np.asarray(drawing())
    opaque = (pixels != 255).any(axis=2)
    layers = np.dstack([pixels * opaque[:, :, None], opaque.astype(np.uint8) * 255])
    return Image.fromarray(layers.astype(np.uint8), "RGBA")


def test_alpha_lies_on_white() -> None:
    assert_same(saved(cut_out(), "PNG"), drawing(), 0)
    assert_same(saved(cut_out(), "WEBP", lossless=True), drawing(), 0)


def test_half_transparent_black_is_gray() -> None:
    veil = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert_same(saved(veil, "PNG"), Image.new("RGB", (8, 8), (127, 127, 127)), 1)


def test_gray_with_alpha() -> None:
    gray = cut_out().convert("LA")
    assert_same(saved(gray, "PNG"), drawing().convert("L"), 1)


def test_palette_with_a_transparent_entry() -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.paste(0, (0, 0, 4, 8))
    expected = Image.new("RGB", (8, 8), "black")
    expected.paste("white", (0, 0, 4, 8))
    assert_same(saved(palette, "PNG", transparency=0), expected, 0)
    assert_same(saved(palette, "PNG", transparency=b"\x00\xff"), expected, 0)


@pytest.mark.parametrize(
    ("orientation", "stored_by"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_exif_orientation(
    orientation: int, stored_by: Image.Transpose | None, file_format: str
) -> None:
    stored = drawing() if stored_by is None else drawing().transpose(stored_by)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_same(saved(stored, file_format, exif=exif), drawing(), 0)


def test_broken_exif_costs_nothing() -> None:
    data = saved(drawing(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert_same(data, drawing(), 0)


def test_a_page_of_reduced_resolution_carries_a_warning() -> None:
    note = ReducedResolution(110, 200).as_png_info()
    (warning,) = DECODER.decode_page(saved(drawing(), "PNG", pnginfo=note)).warnings
    assert warning.code == WarningCode.REDUCED_RESOLUTION
    assert "110 dpi instead of 200" in warning.detail


@pytest.mark.parametrize("text", ["0 of 200 dpi", "<b>", "110 of 200 dpi, or more"])
def test_a_note_that_ingest_did_not_write_is_ignored(text: str) -> None:
    info = PngInfo()
    info.add_text("ocrstream-reduced-resolution", text)
    assert DECODER.decode_page(saved(drawing(), "PNG", pnginfo=info)).warnings == ()


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(file_format: str) -> None:
    second = Image.new("RGB", (WIDTH, HEIGHT), "blue")
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = saved(drawing(), file_format, save_all=True, append_images=[second], **options)
    assert_same(data, drawing(), 8)


def png_header_claiming(width: int, height: int) -> bytes:
    small = saved(drawing(), "PNG")
    body = b"IHDR" + struct.pack(">II", width, height) + small[24:29]
    checksum = struct.pack(">I", zlib.crc32(body))
    return small[:12] + body + checksum + small[33:]


@pytest.mark.parametrize("side", [1_001, 20_000, 2**31 - 1])
def test_too_many_pixels_are_refused_by_the_header(side: int) -> None:
    with pytest.raises(PermanentImageError, match=r"pixels|bomb") as caught:
        DECODER.decode(png_header_claiming(side, side))
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image at all",
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n",
        saved(drawing(), "ICO"),  # known to Pillow, not listed
        saved(drawing(), "JPEG")[:-200],
        saved(drawing(), "PNG")[:-40],
    ],
    ids=["empty", "text", "pdf", "signature", "ico", "cut jpeg", "cut png"],
)
def test_what_is_no_whole_image_is_undecodable(data: bytes) -> None:
    with pytest.raises(PermanentImageError) as caught:
        DECODER.decode(data)
    assert caught.value.reason is Reason.UNDECODABLE


SEEDS: list[Callable[[], bytes]] = [
    lambda: saved(drawing(), "PNG"),
    lambda: saved(drawing(), "JPEG"),
    lambda: saved(drawing(), "TIFF", compression="tiff_lzw"),
    lambda: saved(drawing(), "GIF"),
    lambda: saved(drawing(), "WEBP"),
    lambda: saved(drawing(), "BMP"),
    lambda: saved(drawing(), "JPEG2000"),
    lambda: saved(drawing().quantize(16), "PNG", transparency=0),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_damaged_files_decode_or_fail_with_a_typed_error(
    seed: Callable[[], bytes], data: st.DataObject
) -> None:
    damaged = bytearray(seed())
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        pixels: NDArray[np.uint8] = DECODER.decode(cut)
    except ImageError as error:
        assert error.reason in {Reason.UNDECODABLE, Reason.TOO_LARGE}  # noqa: PT017 - may decode
    else:
        assert pixels.ndim == 3
        assert pixels.size <= 3_000_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_fails_with_a_typed_error(garbage: bytes) -> None:
    with pytest.raises(ImageError):
        DECODER.decode(garbage)
