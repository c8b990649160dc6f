"""Images in the form that a PDF holds, without decoding them in this process.

JPEG and most PNG files go into a PDF unchanged. Child processes convert all others to one of these
first: a hostile file can do no more than end such a process.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ocrstream_recorder.pictures.pool import MAX_PIXELS, PicturePool
from ocrstream_recorder.pictures.source import ImageSource, NoPictureError
from ocrstream_runtime.errors import FetchFailure

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_PNG_COLORS = {0: 1, 2: 3, 3: 1}
_JPEG_MARK = b"\xff\xd8"
_JPEG_COLORS = {1: b"/DeviceGray", 3: b"/DeviceRGB"}
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2}
_JPEG_OTHER_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
_JPEG_EXIF = 0xE1
_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1


@dataclass(frozen=True)
class PdfImage:
    """The content of a PDF's image object; `dictionary` holds the entries that describe it."""

    width: int
    height: int
    dictionary: bytes
    content: bytes


class PdfImages:
    """Reads images from the source for PDFs. Blocks."""

    def __init__(self, source: ImageSource, pool: PicturePool) -> None:
        self._source = source
        self._pool = pool

    def open(self, reference: str) -> PdfImage:
        """The image, upright. Raises NoPictureError."""
        content = self._source.read(reference)
        image = as_pdf_image(content) or as_pdf_image(self._pool.convert(content).content)
        if image is None:
            raise NoPictureError("a PDF cannot hold the converted image", FetchFailure.UNDECODABLE)
        return image


def as_pdf_image(content: bytes) -> PdfImage | None:
    """The unchanged file; None if a PDF cannot hold it. Raises NoPictureError if too large."""
    try:
        image = _png(content) or _jpeg(content)
    except (struct.error, IndexError):
        return None
    if image is None or not image.width * image.height:
        return None
    if image.width * image.height > MAX_PIXELS:
        raise NoPictureError(
            f"it has {image.width:,} x {image.height:,} pixels; at most {MAX_PIXELS:,} are shown",
            FetchFailure.TOO_LARGE,
        )
    return image


def _png(content: bytes) -> PdfImage | None:
    if not content.startswith(_PNG_MARK):
        return None
    header, palette = b"", b""
    data: list[bytes] = []
    for kind, chunk in _png_chunks(content):
        if kind == b"IHDR":
            header = chunk
        elif kind == b"PLTE":
            palette = chunk
        elif kind == b"IDAT":
            data.append(chunk)
        elif kind in {b"tRNS", b"eXIf"}:
            return None
    width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if color not in _PNG_COLORS or interlaced or not data or bits not in {1, 2, 4, 8, 16}:
        return None
    space = b"/DeviceGray" if color == 0 else b"/DeviceRGB"
    if color == 3:
        if not palette or len(palette) % 3 or len(palette) > 768:
            return None
        entries = len(palette) // 3 - 1
        space = b"[/Indexed /DeviceRGB %d <%s>]" % (entries, palette.hex().encode())
    dictionary = (
        b"/ColorSpace %s /BitsPerComponent %d /Filter /FlateDecode /DecodeParms"
        b" <</Predictor 15 /Colors %d /BitsPerComponent %d /Columns %d>>"
    ) % (space, bits, _PNG_COLORS[color], bits, width)
    return PdfImage(width, height, dictionary, b"".join(data))


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG_MARK)
    while True:
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind == b"IEND":
            return
        chunk = content[place + 8 : place + 8 + length]
        if len(chunk) < length:
            raise IndexError
        yield kind, chunk
        place += length + 12


def _jpeg(content: bytes) -> PdfImage | None:
    if not content.startswith(_JPEG_MARK):
        return None
    image: PdfImage | None = None
    for marker, segment in _jpeg_segments(content):
        if marker in _JPEG_OTHER_FRAMES:
            return None
        if marker == _JPEG_EXIF and _orientation(segment) != _UPRIGHT:
            return None
        if marker in _JPEG_FRAMES:
            bits, height, width, colors = struct.unpack_from(">BHHB", segment)
            if bits != 8 or colors not in _JPEG_COLORS:
                return None
            dictionary = (
                b"/ColorSpace %s /BitsPerComponent 8 /Filter /DCTDecode" % _JPEG_COLORS[colors]
            )
            image = PdfImage(width, height, dictionary, content)
    return image


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments before the first scan."""
    place = len(_JPEG_MARK)
    while True:
        if content[place] != 0xFF:
            raise IndexError
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker == _JPEG_SCAN:
            return
        (length,) = struct.unpack_from(">H", content, place + 2)
        if length < 2:
            raise IndexError
        yield marker, content[place + 4 : place + 2 + length]
        place += 2 + length


def _orientation(segment: bytes) -> int:
    """The orientation in an Exif segment; upright if it has none."""
    if not segment.startswith(b"Exif\0\0"):
        return _UPRIGHT
    tiff = segment[6:]
    order = ">" if tiff.startswith(b"MM") else "<"
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, directory)
    for entry in range(count):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
        if tag == _ORIENTATION_TAG:
            return value
    return _UPRIGHT
