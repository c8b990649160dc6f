"""From pixels to the bytes of a file, in every format and mode that a worker decodes."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from accuracy.geometry import Pixels

Encoder = Callable[[Pixels], bytes]

# EXIF's orientations, and what must be done to pixels for a reader to undo.
_EXIF_TURNS: dict[int, Image.Transpose] = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_EXIF_ORIENTATION = 0x0112
_WHITE_FROM = 140


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, kind, **options)
    return packed.getvalue()


def _as(mode: str, kind: str, **options: Any) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        return _save(Image.fromarray(pixels).convert(mode), kind, **options)

    return encode


def _one_bit(kind: str, **options: Any) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        # Without dithering: a scanner's, not a newspaper's.
        black_or_white = np.asarray(Image.fromarray(pixels).convert("L")) > _WHITE_FROM
        return _save(Image.fromarray(black_or_white), kind, **options)

    return encode


def _sixteen_bits(kind: str) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        gray = np.asarray(Image.fromarray(pixels).convert("L")).astype(np.uint16) * 257
        return _save(Image.fromarray(gray), kind)

    return encode


def _transparent(pixels: Pixels) -> bytes:
    """Black ink on nothing, as thick as the pixels are dark."""
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    layers = np.zeros((*gray.shape, 4), dtype=np.uint8)
    layers[:, :, 3] = 255 - gray
    return _save(Image.fromarray(layers), "PNG")


def _exif_turned(orientation: int) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = orientation
        turned = Image.fromarray(pixels).transpose(_EXIF_TURNS[orientation])
        return _save(turned, "JPEG", quality=90, exif=exif)

    return encode


FORMATS: dict[str, tuple[str, Encoder]] = {
    "png": (".png", _as("RGB", "PNG", compress_level=1)),
    "png 1 bit": (".png", _one_bit("PNG")),
    "png gray": (".png", _as("L", "PNG", compress_level=1)),
    "png palette": (".png", _as("P", "PNG")),
    "png gray and alpha": (".png", _as("LA", "PNG")),
    "png transparent": (".png", _transparent),
    "png 16 bit": (".png", _sixteen_bits("PNG")),
    "jpeg": (".jpg", _as("RGB", "JPEG", quality=85)),
    "jpeg gray": (".jpg", _as("L", "JPEG", quality=85)),
    "jpeg cmyk": (".jpg", _as("CMYK", "JPEG", quality=90)),
    "jpeg exif 3": (".jpg", _exif_turned(3)),
    "jpeg exif 6": (".jpg", _exif_turned(6)),
    "jpeg exif 8": (".jpg", _exif_turned(8)),
    "jpeg 2000": (".jp2", _as("RGB", "JPEG2000", irreversible=False)),
    "tiff lzw": (".tiff", _as("RGB", "TIFF", compression="tiff_lzw")),
    "tiff fax 1 bit": (".tiff", _one_bit("TIFF", compression="group4")),
    "tiff 16 bit": (".tiff", _sixteen_bits("TIFF")),
    "tiff cmyk": (".tiff", _as("CMYK", "TIFF")),
    "webp": (".webp", _as("RGB", "WEBP", quality=85)),
    "gif": (".gif", _as("P", "GIF")),
    "bmp": (".bmp", _as("RGB", "BMP")),
    "ppm": (".ppm", _as("RGB", "PPM")),
    "avif": (".avif", _as("RGB", "AVIF", quality=80)),
}
"""A file's suffix and its encoder, by name."""
