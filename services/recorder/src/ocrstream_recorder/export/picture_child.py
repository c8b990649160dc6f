"""Makes a JPEG or PNG file that a PDF can hold of an image; a process of its own.

It reads the image from standard input and writes the other to standard output, or says there why
it cannot, or dies: of a limit that it sets for itself, or of the image.
"""

import io
import resource
import sys
from typing import NoReturn

NOT_A_PICTURE_EXIT = 4
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_LOSSY = {"AVIF", "JPEG", "JPEG2000", "WEBP"}
_MAX_OUTPUT_BYTES = 256 * 1024 * 1024


def main() -> None:
    """Converts one image; told the most pixels, and its limits in bytes and seconds."""
    max_pixels, memory_bytes, cpu_s = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        converted = _convert(sys.stdin.buffer.read(), max_pixels)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise nearly anything
        _refuse(f"broken image: {type(error).__name__}: {error}")
    if len(converted) > _MAX_OUTPUT_BYTES:
        _refuse("it is too large to be shown")
    sys.stdout.buffer.write(converted)


def _convert(content: bytes, max_pixels: int) -> bytes:
    from PIL import Image, ImageOps  # noqa: PLC0415 - within the limits, and only in this process

    Image.MAX_IMAGE_PIXELS = max_pixels
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            _refuse(f"it has {width:,} x {height:,} pixels; at most {max_pixels:,} are shown")
        lossy = image.format in _LOSSY
        upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        layers = upright.convert("RGBA")
        upright = Image.new("RGB", layers.size, "white")
        upright.paste(layers, mask=layers)
    elif upright.mode.startswith("I") or upright.mode == "F":
        numbers = upright.convert("F")
        extrema = numbers.getextrema()
        white = 255.0 if float(extrema[1]) <= 255 else 65535.0  # pyright: ignore
        upright = numbers.point(lambda value: value * (255.0 / white) + 0).convert("L")
    elif upright.mode not in {"1", "L", "RGB"}:
        upright = upright.convert("RGB")
    written = io.BytesIO()
    # What describes the image would say again how it lies.
    upright.info.clear()
    if lossy:
        upright.save(written, "JPEG", quality=90)
    else:
        upright.save(written, "PNG")
    return written.getvalue()


def _refuse(why: str) -> NoReturn:
    sys.stdout.buffer.write(why.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    sys.exit(NOT_A_PICTURE_EXIT)


if __name__ == "__main__":
    main()
