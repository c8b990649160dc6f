"""Cuts a large image into strips, because memory has no room for copies of it as a whole."""

from collections.abc import Iterator

from PIL import Image

# Small enough for the processor's cache, and for memory that the allocator reuses.
_STRIP_PIXELS = 256 * 1024


def strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yields strips as wide as the image, from top to bottom, each with the number of its first
    row.
    """
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))
