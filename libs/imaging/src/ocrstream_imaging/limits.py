"""Checks the size of an image against limits, by its header, before it is decoded."""

from PIL import Image

from ocrstream_imaging.errors import TooManyFramesError, TooManyPixelsError, UndecodableError


def check_pixels(image: Image.Image, max_pixels: int, name: str = "the image") -> None:
    """Raises TooManyPixelsError, or UndecodableError if the image has no pixels."""
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{name} has {width:,} x {height:,} pixels; at most {max_pixels:,} are decoded"
        )
    if not width * height:
        raise UndecodableError(f"{name} has {width} x {height} pixels")


def check_frames(image: Image.Image, max_frames: int) -> None:
    """Raises TooManyFramesError for a file of which only the first frame is used."""
    try:
        frames: int = getattr(image, "n_frames", 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the first frame is usable even if later ones are broken
        return
    if frames > max_frames:
        raise TooManyFramesError(
            f"the file has {frames:,} frames; at most {max_frames:,} are allowed,"
            " and only the first is read"
        )


def count_pages(image: Image.Image, max_pages: int) -> int:
    """Counts the frames of a file of which each is a page.

    Stops with TooManyFramesError at the limit. A file with one frame is within any limit.
    """
    count = 0
    while True:
        try:
            image.seek(count)
        except EOFError:
            return count
        count += 1
        if count > max(max_pages, 1):
            raise TooManyFramesError(f"the file has more than {max_pages:,} pages")
