"""From an image file to a picture, by the rules that the workers read it by.

Text boxes are in the pixels that a worker had: upright by the EXIF tag, the first frame. So are
pictures, and they look alike: alpha on white, deep samples scaled to eight bits.
"""

import io
from typing import NoReturn

from PIL import ExifTags, Image, ImageOps

from ocrstream_recorder.pictures.wire import MAX_CONTENT_BYTES, Made, MediaType, Task

_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# MPO: a JPEG file with more images behind it, as cameras make them.
_LOSSY = {"AVIF", "JPEG", "JPEG2000", "MPO", "WEBP"}
_SHOWN: dict[str | None, tuple[MediaType, set[str]]] = {
    "GIF": ("image/gif", {"1", "L", "P", "RGB"}),
    "JPEG": ("image/jpeg", {"L", "RGB"}),
    "PNG": ("image/png", {"1", "I;16", "L", "P", "RGB"}),
    "WEBP": ("image/webp", {"RGB"}),
}
"""What every browser shows: formats, and modes of theirs by Pillow's names."""
_TURNED = range(2, 9)
_ON_ITS_SIDE = range(5, 9)
# What "white" may be in samples without a declared range: the first that none exceeds.
_INTEGER_WHITES = (255.0, 65535.0)
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_LONGEST_JPEG_SIDE = 65_500


class Unshowable(Exception):
    """There can be no picture; the message says why."""

    def __init__(self, why: str, *, too_large: bool = False) -> None:
        super().__init__(why)
        self.too_large = too_large


def make(content: bytes, task: Task) -> tuple[Made, bytes]:
    """The picture. Raises Unshowable, MemoryError, and nearly anything if the file is broken."""
    Image.MAX_IMAGE_PIXELS = task.max_pixels
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError:
        _refuse_size("more than twice as many pixels as are shown", task.max_pixels)
    with image:
        _check_size(image, task.max_pixels)
        fits = task.width is None or image.width <= task.width
        if task.may_stay and fits and (kind := _kind_as_it_is(image)):
            return Made(*image.size, kind), b""
        lossy = image.format in _LOSSY
        size = _load_upright(image, task)
        return _written(_plain(image), size, task.width, lossy=lossy)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        _refuse_size(f"{width:,} x {height:,} pixels", max_pixels)


def _refuse_size(found: str, max_pixels: int) -> NoReturn:
    raise Unshowable(f"it has {found}; at most {max_pixels:,} are shown", too_large=True)


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
        and _orientation(image) not in _TURNED
    )
    return kind if alike else None


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata takes nothing from the pixels
        return None


def _load_upright(image: Image.Image, task: Task) -> tuple[int, int]:
    """Decodes the image, no larger than it must be; returns the size that it has as a whole."""
    whole = image.size
    smaller = task.width is not None and image.draft(None, _least_size(image, task.width))
    if smaller and _orientation(image) in _ON_ITS_SIDE:
        whole = whole[1], whole[0]
    image.load()
    _check_size(image, task.max_pixels)
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - broken metadata takes nothing from the pixels
        pass
    return whole if smaller else image.size


def _least_size(image: Image.Image, width: int) -> tuple[int, int]:
    """The size beneath which a decoder that can leave out pixels is not to go."""
    side = image.height if _orientation(image) in _ON_ITS_SIDE else image.width
    scale = min(1.0, 2 * width / side)
    return max(1, int(image.width * scale)), max(1, int(image.height * scale))


def _plain(image: Image.Image) -> Image.Image:
    """The same in a mode that JPEG and PNG have: `1`, `L` or `RGB`."""
    if image.mode.startswith("I;16"):
        return _gray(image, 65535.0)
    if image.mode in {"I", "F"}:
        whites = _INTEGER_WHITES if image.mode == "I" else _FLOAT_WHITES
        greatest = float(image.getextrema()[1])  # pyright: ignore[reportArgumentType]
        return _gray(image, next((white for white in whites if greatest <= white), greatest))
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        paper = Image.new("RGB", layers.size, "white")
        paper.paste(layers, mask=layers)
        return paper
    return image if image.mode in {"1", "L", "RGB"} else image.convert("RGB")


def _gray(image: Image.Image, white: float) -> Image.Image:
    scale = 255.0 / white
    return image.convert("F").point(lambda value: value * scale + 0.5).convert("L")


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
        raise Unshowable("it is too large to be shown", too_large=True)
    return Made(*size, kind), written.getvalue()
