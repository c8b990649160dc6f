"""Opens image files, with limits that are checked before anything is decoded.

Pillow keeps a limit of its own in a global that this module sets: callers open one file at a time,
in processes that do little else.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from ocrstream_imaging.basic_mode import to_basic_mode
from ocrstream_imaging.errors import ImageFileError, TooManyPixelsError, UndecodableError
from ocrstream_imaging.limits import check_frames, check_pixels, count_pages
from ocrstream_imaging.orientation import load_upright
from ocrstream_imaging.ppm import check_ppm
from ocrstream_imaging.unidentified import unidentified_error

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""The supported formats, by Pillow's names. Others are undecodable even if Pillow knows them."""

_PILLOWS_LIMIT = Image.MAX_IMAGE_PIXELS or 0


@contextmanager
def first_frame(
    content: bytes, *, max_pixels: int, max_frames: int | None = None
) -> Generator[Image.Image]:
    """Opens the file's first frame without decoding it.

    Raises MemoryError and ImageFileError; the latter also for whatever Pillow raises in the block.
    """
    # Pillow's own limit covers what a header does not declare; it must not be below this one.
    Image.MAX_IMAGE_PIXELS = max(_PILLOWS_LIMIT, max_pixels)
    with _file_errors(max_pixels), _open(content) as image:
        check_pixels(image, max_pixels)
        if max_frames is not None:
            check_frames(image, max_frames)
        yield image


def _open(content: bytes) -> Image.Image:
    check_ppm(content)
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise unidentified_error(content, FORMATS) from error


def tiff_pages(file: Path, *, max_pages: int, max_pixels: int) -> Iterator[Image.Image]:
    """Yields the pages of a TIFF, upright, in mode 1, L, P or RGB; none if it has one frame.

    A page is valid until the next one is requested. Raises ImageFileError and MemoryError.
    """
    # Each page is checked below, and nothing else is decoded.
    Image.MAX_IMAGE_PIXELS = None
    # Opened here: Pillow maps files that it opens itself, and then garbles rotated pages.
    with (
        _file_errors(max_pixels),
        file.open("rb") as stream,
        Image.open(stream, formats=("TIFF",)) as image,
    ):
        count = count_pages(image, max_pages)
        for number in range(count if count > 1 else 0):
            image.seek(number)
            check_pixels(image, max_pixels, f"page {number + 1}")
            load_upright(image, max_pixels)
            yield image if _is_palette(image) else to_basic_mode(image)


def _is_palette(image: Image.Image) -> bool:
    """Whether the palette's colours are plain RGB, which takes a third of the bytes."""
    return image.mode == "P" and not image.has_transparency_data


@contextmanager
def _file_errors(max_pixels: int) -> Generator[None]:
    try:
        yield
    except (ImageFileError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(
            f"the image has more than {max_pixels:,} pixels, the most that are decoded"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UndecodableError("broken image: its header cannot be read") from error
    except Exception as error:  # Pillow's decoders raise nearly any error on broken files
        raise UndecodableError(f"broken image: {type(error).__name__}: {error}") from error
