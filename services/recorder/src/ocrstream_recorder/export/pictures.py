"""From an image's file to what a PDF can hold, without decoding it here.

JPEG and most PNG files go into a PDF as they are. All else is made into one of these first, by
processes that no file can do more to than end them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ocrstream_recorder.errors import NoPictureError, Trouble
from ocrstream_recorder.pictures.pool import MAX_PIXELS, PicturePool
from ocrstream_recorder.pictures.source import ImageSource

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
class Picture:
    """An image as PDF's image objects have it; `how` is the part of the dictionary about it."""

    width: int
    height: int
    how: bytes
    content: bytes


class Pictures:
    """Pictures of the images that the source reads. Blocks."""

    def __init__(self, source: ImageSource, pool: PicturePool) -> None:
        self._source = source
        self._pool = pool

    def open(self, reference: str) -> Picture:
        """The picture, upright. Raises NoPictureError."""
        content = self._source.read(reference)
        picture = as_picture(content) or as_picture(self._pool.make(content).content)
        if picture is None:
            raise NoPictureError("a PDF cannot hold what was made of it", Trouble.UNDECODABLE)
        return picture


def as_picture(content: bytes) -> Picture | None:
    """The unchanged file; None if no PDF can hold it. Raises NoPictureError if too large."""
    try:
        picture = _png(content) or _jpeg(content)
    except (struct.error, IndexError):
        return None
    if picture is None or not picture.width * picture.height:
        return None
    if picture.width * picture.height > MAX_PIXELS:
        raise NoPictureError(
            f"it has {picture.width:,} x {picture.height:,} pixels;"
            f" at most {MAX_PIXELS:,} are shown",
            Trouble.TOO_LARGE,
        )
    return picture


def _png(content: bytes) -> Picture | None:
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
    how = (
        b"/ColorSpace %s /BitsPerComponent %d /Filter /FlateDecode /DecodeParms"
        b" <</Predictor 15 /Colors %d /BitsPerComponent %d /Columns %d>>"
    ) % (space, bits, _PNG_COLORS[color], bits, width)
    return Picture(width, height, how, b"".join(data))


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


def _jpeg(content: bytes) -> Picture | None:
    if not content.startswith(_JPEG_MARK):
        return None
    picture: Picture | None = None
    for marker, segment in _jpeg_segments(content):
        if marker in _JPEG_OTHER_FRAMES:
            return None
        if marker == _JPEG_EXIF and _orientation(segment) != _UPRIGHT:
            return None
        if marker in _JPEG_FRAMES:
            bits, height, width, colors = struct.unpack_from(">BHHB", segment)
            if bits != 8 or colors not in _JPEG_COLORS:
                return None
            how = b"/ColorSpace %s /BitsPerComponent 8 /Filter /DCTDecode" % _JPEG_COLORS[colors]
            picture = Picture(width, height, how, content)
    return picture


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Those before the first scan."""
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
    """How an Exif segment says that the image lies; upright if it says nothing."""
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
