"""Reads the EXIF orientation of an image and turns it upright."""

from PIL import ExifTags, Image, ImageOps

from ocrstream_imaging.limits import check_pixels

_TRANSPOSED = range(2, 9)
_SIDEWAYS = range(5, 9)


def load_upright(image: Image.Image, max_pixels: int) -> None:
    """Decodes the image and turns it upright, in place.

    Raises TooManyPixelsError, and whatever Pillow raises. The size is checked again, because some
    files declare their size or orientation behind their pixels.
    """
    image.load()
    check_pixels(image, max_pixels)
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the pixels are usable even if the metadata is broken
        return


def needs_exif_transpose(image: Image.Image) -> bool:
    """Whether the EXIF orientation turns or mirrors the image."""
    return _orientation(image) in _TRANSPOSED


def swaps_width_and_height(image: Image.Image) -> bool:
    """Whether turning the image upright swaps its width and height."""
    return _orientation(image) in _SIDEWAYS


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the pixels are usable even if the metadata is broken
        return None
