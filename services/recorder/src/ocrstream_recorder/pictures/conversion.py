"""Converts an image file to a picture, by the rules of the workers.

Text boxes are in the pixels that a worker had, so a picture has the same pixels.
"""

import io

from PIL import Image

from ocrstream_imaging import (
    first_frame,
    load_upright,
    needs_exif_transpose,
    swaps_width_and_height,
    to_basic_mode,
)
from ocrstream_recorder.errors import TooLargeToShowError
from ocrstream_recorder.pictures.wire import MAX_PICTURE_BYTES, ConversionTask, Converted, MediaType

# MPO: a JPEG file with more images behind it, as cameras make them.
_LOSSY = {"AVIF", "JPEG", "JPEG2000", "MPO", "WEBP"}
_SHOWN: dict[str | None, tuple[MediaType, set[str]]] = {
    "GIF": ("image/gif", {"1", "L", "P", "RGB"}),
    "JPEG": ("image/jpeg", {"L", "RGB"}),
    "PNG": ("image/png", {"1", "I;16", "L", "P", "RGB"}),
    "WEBP": ("image/webp", {"RGB"}),
}
"""The formats that every browser shows, with the modes (Pillow's names) that it shows."""
_LONGEST_JPEG_SIDE = 65_500


def convert(content: bytes, task: ConversionTask) -> tuple[Converted, bytes]:
    """The picture. Raises ImageFileError, TooLargeToShowError and MemoryError."""
    with first_frame(content, max_pixels=task.max_pixels) as image:
        fits = task.width is None or image.width <= task.width
        if task.keep_if_shown and fits and (kind := _unchanged_type(image)):
            return Converted(*image.size, kind), b""
        lossy = image.format in _LOSSY
        size = _load_upright(image, task)
        picture = to_basic_mode(image)
    return _encoded(picture, size, task.width, lossy=lossy)


def _unchanged_type(image: Image.Image) -> MediaType | None:
    """The media type of the file if every browser shows it as a worker reads it."""
    kind, modes = _SHOWN.get(image.format, (None, ()))
    if image.mode not in modes:
        return None
    if image.format == "PNG":
        # The orientation may follow the pixels in the file.
        image.load()
    alike = (
        not image.has_transparency_data
        and not getattr(image, "is_animated", False)
        and not needs_exif_transpose(image)
    )
    return kind if alike else None


def _load_upright(image: Image.Image, task: ConversionTask) -> tuple[int, int]:
    """Decodes the image no larger than needed; returns the size of the whole image."""
    whole = image.size
    smaller = task.width is not None and image.draft(None, _least_size(image, task.width))
    if smaller and swaps_width_and_height(image):
        whole = whole[1], whole[0]
    load_upright(image, task.max_pixels)
    return whole if smaller else image.size


def _least_size(image: Image.Image, width: int) -> tuple[int, int]:
    """The least size to which a decoder that can skip pixels may reduce the image."""
    side = image.height if swaps_width_and_height(image) else image.width
    scale = min(1.0, 2 * width / side)
    return max(1, int(image.width * scale)), max(1, int(image.height * scale))


def _encoded(
    image: Image.Image, size: tuple[int, int], width: int | None, *, lossy: bool
) -> tuple[Converted, bytes]:
    if width is not None and width < size[0]:
        lossy = True
        height = max(1, round(size[1] * width / size[0]))
        shades = image.convert("L") if image.mode == "1" else image
        image = shades.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    # The metadata would tell browsers to turn the picture once more.
    image.info.clear()
    encoded = io.BytesIO()
    kind: MediaType = "image/png"
    if lossy and max(image.size) <= _LONGEST_JPEG_SIDE:
        kind = "image/jpeg"
        (image.convert("L") if image.mode == "1" else image).save(encoded, "JPEG", quality=90)
    else:
        image.save(encoded, "PNG", compress_level=3)
    if encoded.tell() > MAX_PICTURE_BYTES:
        raise TooLargeToShowError("it is too large to be shown")
    return Converted(*size, kind), encoded.getvalue()
