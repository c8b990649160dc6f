"""What is said to the processes that make pictures, and what they answer."""

from typing import Literal

import msgspec

MAX_CONTENT_BYTES = 256 * 1024 * 1024

MediaType = Literal["image/gif", "image/jpeg", "image/png", "image/webp"]


class Task(msgspec.Struct, frozen=True):
    """Make a picture of the image file that comes with it.

    At most `width` pixels wide, if that is said. `may_stay`: a file that is, and that every browser
    shows as it was read, is to be left as it is.
    """

    max_pixels: int
    width: int | None = None
    may_stay: bool = False


class Made(msgspec.Struct, frozen=True, tag=True):
    """The picture comes with it, upright; nothing comes with it if the file is to stay.

    `width` and `height` are those of the whole image, in pixels, however small the picture is.
    """

    width: int
    height: int
    media_type: MediaType


class Refused(msgspec.Struct, frozen=True, tag=True):
    """There is no picture, and would be none the next time either."""

    why: str
    too_large: bool = False


Answer = Made | Refused
