"""From an image file to a picture, by the rule that workers read it by.

Text boxes are in the pixels that a worker had, so pictures have the same ones.
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
from ocrstream_recorder.pictures.wire import MAX_CONTENT_BYTES, Made, MediaType, Task

# MPO: a JPEG file with more images behind it, as cameras make them.
_LOSSY = {"AVIF", "JPEG", "JPEG2000", "MPO", "WEBP"}
_SHOWN: dict[str | None, tuple[MediaType, set[str]]] = {
    "GIF": ("image/gif", {"1", "L", "P", "RGB"}),
    "JPEG": ("image/jpeg", {"L", "RGB"}),
    "PNG": ("image/png", {"1", "I;16", "L", "P", "RGB"}),
    "WEBP": ("image/webp", {"RGB"}),
}
"""What every browser shows: formats, and modes of theirs by Pillow's names."""
_LONGEST_JPEG_SIDE = 65_500


def make(content: bytes, task: Task) -> tuple[Made, bytes]:
    """The picture. Raises ImageFileError, TooLargeToShowError and MemoryError."""
    with first_frame(content, max_pixels=task.max_pixels) as image:
        fits = task.width is None or image.width <= task.width
        if task.may_stay and fits and (kind := _kind_as_it_is(image)):
            return Made(*image.size, kind), b""
        lossy = image.format in _LOSSY
        size = _load_upright(image, task)
        picture = to_basic_mode(image)
    return _written(picture, size, task.width, lossy=lossy)


def _kind_as_it_is(image: Image.Image) -> MediaType | None:
    """The file's type if every browser shows of it what a worker reads."""
    kind, modes = _SHOWN.get(image.format, (None, ()))
    if image.mode not in modes:
        return None
    if image.format == "PNG":
        # How it lies may stand behind the pixels.
        image.load()
    alike = (
        not image.has_transparency_data
        and not getattr(image, "is_animated", False)
        and not needs_exif_transpose(image)
    )
    return kind if alike else None


def _load_upright(image: Image.Image, task: Task) -> tuple[int, int]:
    """Decodes the image, no larger than it must be; returns the size that it has as a whole."""
    whole = image.size
    smaller = task.width is not None and image.draft(None, _least_size(image, task.width))
    if smaller and swaps_width_and_height(image):
        whole = whole[1], whole[0]
    load_upright(image, task.max_pixels)
    return whole if smaller else image.size


def _least_size(image: Image.Image, width: int) -> tuple[int, int]:
    """The size beneath which a decoder that can leave out pixels is not to go."""
    side = image.height if swaps_width_and_height(image) else image.width
    scale = min(1.0, 2 * width / side)
    return max(1, int(image.width * scale)), max(1, int(image.height * scale))


def _written(
    image: Image.Image, size: tuple[int, int], width: int | None, *, lossy: bool
) -> tuple[Made, bytes]:
    if width is not None and width < size[0]:
        lossy = True
        height = max(1, round(size[1] * width / size[0]))
        shades = image.convert("L") if image.mode == "1" else image
        image = shades.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    # What describes the image would say again how it lies.
    image.info.clear()
    written = io.BytesIO()
    kind: MediaType = "image/png"
    if lossy and max(image.size) <= _LONGEST_JPEG_SIDE:
        kind = "image/jpeg"
        (image.convert("L") if image.mode == "1" else image).save(written, "JPEG", quality=90)
    else:
        image.save(written, "PNG", compress_level=3)
    if written.tell() > MAX_CONTENT_BYTES:
        raise TooLargeToShowError("it is too large to be shown")
    return Made(*size, kind), written.getvalue()
