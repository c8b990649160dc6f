"""The messages between this process and the child processes that convert images."""

from typing import Literal

import msgspec

MAX_PICTURE_BYTES = 256 * 1024 * 1024

MediaType = Literal["image/gif", "image/jpeg", "image/png", "image/webp"]


class ConversionTask(msgspec.Struct, frozen=True):
    """Asks for a picture of the image file that follows, at most `width` pixels wide.

    `keep_if_shown`: a file of that width that every browser shows as the worker read it stays
    unchanged.
    """

    max_pixels: int
    width: int | None = None
    keep_if_shown: bool = False


class Converted(msgspec.Struct, frozen=True, tag=True):
    """The upright picture follows; nothing follows if the file stays unchanged.

    `width` and `height` are those of the whole image in pixels, whatever the size of the picture.
    """

    width: int
    height: int
    media_type: MediaType


class ConversionRefused(msgspec.Struct, frozen=True, tag=True):
    """The file gives no picture, and would give none at another attempt."""

    why: str
    too_large: bool = False


ConversionResult = Converted | ConversionRefused
