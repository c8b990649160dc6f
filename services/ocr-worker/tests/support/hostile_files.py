"""Files that nobody should have to decode: cut, fuzzed, lying, bloated; the same for one seed."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from random import Random

from PIL import Image, ImageDraw

_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"RIFF\x10\x00\x00\x00WEBPVP8L",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    b"\x00\x00\x00\x1cftypavif",
    b"P6\n",
    b"P1\n",
)


def drawing(size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Something to see."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 60, 40), fill="black")
    draw.ellipse((70, 30, 150, 110), fill=(200, 30, 30))
    draw.text((10, 60), "Total 42.00", fill="black")
    return image


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The image's file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def good_files() -> list[bytes]:
    """Files of every format and several modes."""
    image = drawing()
    frames = [drawing().rotate(angle) for angle in (90, 180)]
    return [
        saved(image, "PNG"),
        saved(image.quantize(16), "PNG", transparency=0),
        saved(image.convert("RGBA"), "PNG"),
        saved(image, "JPEG"),
        saved(image, "JPEG", progressive=True),
        saved(image.convert("CMYK"), "JPEG"),
        saved(image, "TIFF", compression="tiff_lzw"),
        saved(image, "TIFF", compression="jpeg"),
        saved(image, "TIFF", compression="tiff_adobe_deflate"),
        saved(image.convert("1"), "TIFF", compression="group4"),
        saved(image, "TIFF", save_all=True, append_images=frames),
        saved(image, "GIF", save_all=True, append_images=frames),
        saved(image, "WEBP"),
        saved(image, "WEBP", save_all=True, append_images=frames),
        saved(image, "BMP"),
        saved(image.quantize(16), "BMP"),
        saved(image, "JPEG2000"),
        saved(image, "AVIF"),
        saved(image, "PPM"),
    ]


def hostile_files(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` files, each with what it is."""
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    good = good_files()
    fixed = [(f"{kind.__name__}", kind()) for kind in _FIXED]
    yield from fixed
    mutations: list[Callable[[Random, bytes], bytes]] = [_cut, _fuzz_head, _fuzz, _double, _splice]
    for number in range(count - len(fixed)):
        mutate = mutations[number % len(mutations)]
        yield f"{mutate.__name__.strip('_')} {number}", mutate(random, random.choice(good))


def _cut(random: Random, file: bytes) -> bytes:
    return file[: random.randrange(len(file))]


def _fuzz_head(random: Random, file: bytes) -> bytes:
    damaged = bytearray(file)
    for _ in range(random.randint(1, 8)):
        damaged[random.randrange(min(96, len(file)))] = random.choice((0, 1, 127, 128, 255))
    return bytes(damaged)


def _fuzz(random: Random, file: bytes) -> bytes:
    damaged = bytearray(file)
    for _ in range(random.randint(1, 40)):
        damaged[random.randrange(len(file))] = random.randrange(256)
    return bytes(damaged)


def _double(random: Random, file: bytes) -> bytes:
    place = random.randrange(len(file))
    return file[:place] + file[random.randrange(len(file)) :] * random.randint(1, 3)


def _splice(random: Random, file: bytes) -> bytes:
    return random.choice(_SIGNATURES) + random.choice((file[8:], random.randbytes(400)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _png(
    width: int, height: int, rows: bytes, *more: bytes, depth: int = 8, color: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return _SIGNATURES[0] + _chunk(b"IHDR", header) + b"".join(more) + body


def empty() -> bytes:
    return b""


def png_of_no_width() -> bytes:
    return _png(0, 10, bytes(10))


def png_of_no_height() -> bytes:
    return _png(10, 0, b"")


def bmp_of_no_size() -> bytes:
    file = bytearray(saved(drawing(), "BMP"))
    file[18:26] = bytes(8)
    return bytes(file)


def bmp_of_negative_size() -> bytes:
    file = bytearray(saved(drawing(), "BMP"))
    file[18:26] = struct.pack("<ii", -(2**31), -(2**31))
    return bytes(file)


def gif_of_no_size() -> bytes:
    file = bytearray(saved(drawing(), "GIF"))
    file[6:10] = bytes(4)
    return bytes(file)


def png_bomb_that_says_so() -> bytes:
    return _png(50_000, 50_000, b"\0" * 1_000_000)


def png_bomb_below_the_limit() -> bytes:
    return _png(7_000, 7_000, bytes(7_000 * 7_001))


def png_bomb_of_one_bit() -> bytes:
    return _png(6_800, 7_000, bytes(7_000 * 851), depth=1)


def png_bomb_with_alpha() -> bytes:
    return _png(6_000, 6_000, bytes(6_000 * 24_001), color=6)


def png_bomb_of_sixteen_bits() -> bytes:
    return _png(6_000, 6_000, bytes(6_000 * 12_001), depth=16)


def png_that_gives_more_than_it_says() -> bytes:
    return _png(10, 10, bytes(50_000_000))


def png_with_a_bomb_of_text() -> bytes:
    bomb = b"comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    return _png(10, 10, bytes(110), _chunk(b"zTXt", bomb))


def png_with_a_bomb_of_a_profile() -> bytes:
    bomb = b"icc\0\0" + zlib.compress(bytes(200_000_000), 9)
    return _png(10, 10, bytes(110), _chunk(b"iCCP", bomb))


def gif_of_many_frames() -> bytes:
    frame = b"\x21\xf9\x04\x00\x00\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return start + (frame + b"\x02\x02\x44\x01\x00") * 200_000 + b"\x3b"


def gif_of_the_largest_size() -> bytes:
    file = bytearray(saved(drawing(), "GIF"))
    file[6:10] = b"\xff\xff\xff\xff"
    return bytes(file)


def tiff_whose_directories_go_round() -> bytes:
    file = bytearray(saved(Image.new("L", (4, 4)), "TIFF"))
    (first,) = struct.unpack_from("<I", file, 4)
    (entries,) = struct.unpack_from("<H", file, first)
    struct.pack_into("<I", file, first + 2 + 12 * entries, first)
    return bytes(file)


def tiff_bomb() -> bytes:
    return saved(Image.new("L", (6_900, 6_900)), "TIFF", compression="tiff_adobe_deflate")


def webp_bomb() -> bytes:
    return saved(Image.new("RGB", (6_000, 6_000)), "WEBP", lossless=True, method=0, quality=0)


def jpeg_bomb() -> bytes:
    return saved(Image.new("L", (6_900, 6_900)), "JPEG", quality=1)


def jpeg_that_claims_the_largest_size() -> bytes:
    file = bytearray(saved(drawing(), "JPEG"))
    place = file.index(b"\xff\xc0") + 5
    file[place : place + 4] = b"\xff\xff\xff\xff"
    return bytes(file)


def ppm_that_claims_too_much() -> bytes:
    return b"P6 99999999 99999999 255\n" + bytes(100)


def ppm_without_an_end_of_its_header() -> bytes:
    return b"P6 " + b"#" * 1_000_000


def zip_called_png() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.png", bytes(1_000_000))
    return buffer.getvalue()


def pdf_called_jpg() -> bytes:
    return b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"


def script_called_png() -> bytes:
    return b"#!/bin/sh\nexit 1\n"


def svg_called_png() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"></svg>'


def postscript_called_tif() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"


def only_zeros() -> bytes:
    return bytes(1_000_000)


_FIXED: tuple[Callable[[], bytes], ...] = (
    empty,
    png_of_no_width,
    png_of_no_height,
    bmp_of_no_size,
    bmp_of_negative_size,
    gif_of_no_size,
    png_bomb_that_says_so,
    png_bomb_below_the_limit,
    png_bomb_of_one_bit,
    png_bomb_with_alpha,
    png_bomb_of_sixteen_bits,
    png_that_gives_more_than_it_says,
    png_with_a_bomb_of_text,
    png_with_a_bomb_of_a_profile,
    gif_of_many_frames,
    gif_of_the_largest_size,
    tiff_whose_directories_go_round,
    tiff_bomb,
    webp_bomb,
    jpeg_bomb,
    jpeg_that_claims_the_largest_size,
    ppm_that_claims_too_much,
    ppm_without_an_end_of_its_header,
    zip_called_png,
    pdf_called_jpg,
    script_called_png,
    svg_called_png,
    postscript_called_tif,
    only_zeros,
)
