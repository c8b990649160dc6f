"""How an image lies by its EXIF tag, and turning it upright."""

from PIL import ExifTags, Image, ImageOps

from ocrstream_imaging.limits import check_pixels

_TRANSPOSED = range(2, 9)
_SIDEWAYS = range(5, 9)


def load_upright(image: Image.Image, max_pixels: int) -> None:
    """Decodes the image and turns it, in place. Raises TooManyPixelsError, and what Pillow raises.

    Some files tell how large they are, or how they lie, behind their pixels only.
    """
    image.load()
    check_pixels(image, max_pixels)
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata takes nothing from the pixels
        return


def needs_exif_transpose(image: Image.Image) -> bool:
    """Whether the image does not lie as it is to be seen."""
    return _orientation(image) in _TRANSPOSED


def swaps_width_and_height(image: Image.Image) -> bool:
    """Whether upright its width is what is its height now."""
    return _orientation(image) in _SIDEWAYS


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata takes nothing from the pixels
        return None
