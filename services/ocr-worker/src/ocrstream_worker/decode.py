"""From a file's bytes to the pixels that engines read."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ocrstream_schemas.events import Reason
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.image_errors import ImageRejected

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, by Pillow's names. All else is undecodable, even if Pillow knows it."""

# What "white" may be in samples without a declared range: the first that none exceeds.
_INTEGER_WHITES = (255.0, 65535.0)
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
# Small enough to stay in the processor's cache, and for memory that is used again and again.
_STRIP_PIXELS = 256 * 1024


def new_raster(height: int, width: int) -> RgbImage:
    """Memory of its own for an image."""
    return np.empty((height, width, 3), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """Checked in the header, before anything is decoded.

    `max_pixels`: the largest raster. `max_frames`: how many frames a file may have, of which only
    the first is ever decoded.
    """

    max_pixels: int = 100_000_000
    max_frames: int = 1_000


class Decoder:
    """Decodes images."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._max_pixels = limits.max_pixels
        self._max_frames = limits.max_frames
        # Pillow's own limit guards what a header does not tell; it must not be below ours.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.max_pixels)

    def decode(
        self, data: bytes, make_raster: Callable[[int, int], RgbImage] = new_raster
    ) -> RgbImage:
        """The first frame as RGB: upright by its EXIF tag, alpha on white, 16 bits scaled to 8.

        It is laid into what `make_raster` gives for a height and a width. Raises ImageRejected
        (undecodable, too_large), and MemoryError.
        """
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                self._check_size(image)
                self._check_frames(image)
                image.load()
                self._check_size(image)
                _turn_upright(image)
                pixels = make_raster(image.height, image.width)
                _fill_with_rgb(pixels, image)
                return pixels
        except (ImageRejected, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageRejected(Reason.TOO_LARGE, str(error)) from error
        except Image.UnidentifiedImageError as error:
            raise ImageRejected(
                Reason.UNDECODABLE,
                f"not an image ({len(data):,} bytes) in one of the formats {', '.join(FORMATS)}",
            ) from error
        except Exception as error:  # Pillow's decoders raise nearly anything on broken files
            raise ImageRejected(
                Reason.UNDECODABLE, f"broken image: {type(error).__name__}: {error}"
            ) from error

    def _check_size(self, image: Image.Image) -> None:
        width, height = image.size
        if width * height > self._max_pixels:
            raise ImageRejected(
                Reason.TOO_LARGE,
                f"the image has {width:,} x {height:,} pixels; at most {self._max_pixels:,} are"
                " decoded (OCRSTREAM_MAX_IMAGE_PIXELS)",
            )
        if not width * height:
            raise ImageRejected(Reason.UNDECODABLE, f"the image has {width} x {height} pixels")

    def _check_frames(self, image: Image.Image) -> None:
        try:
            frames: int = getattr(image, "n_frames", 1)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - broken later frames take nothing from the first
            return
        if frames > self._max_frames:
            raise ImageRejected(
                Reason.TOO_LARGE,
                f"the file has {frames:,} frames; at most {self._max_frames:,} are allowed"
                " (OCRSTREAM_MAX_IMAGE_FRAMES), and only the first is read",
            )


def _turn_upright(image: Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata takes nothing from the pixels
        return


def _fill_with_rgb(pixels: RgbImage, image: Image.Image) -> None:
    """Strip by strip: a large image has no room for copies of itself."""
    convert = _conversion(image)
    for top, strip in _strips(image):
        pixels[top : top + strip.height] = convert(strip)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _conversion(image: Image.Image) -> Callable[[Image.Image], NDArray[np.uint8]]:
    """What makes RGB, or gray that counts for all three, of a part of the image."""
    if image.mode == "L":
        return lambda strip: np.asarray(strip)[:, :, np.newaxis]
    if image.mode == "RGB" and not image.has_transparency_data:
        return np.asarray
    if image.mode.startswith("I;16"):
        return lambda strip: _gray(np.asarray(strip), 65535.0)
    if image.mode in {"I", "F"}:
        whites = _INTEGER_WHITES if image.mode == "I" else _FLOAT_WHITES
        greatest = max(float(_numbers(strip).max()) for _, strip in _strips(image))
        white = next((white for white in whites if greatest <= white), greatest)
        return lambda strip: _gray(_numbers(strip), white)
    if image.has_transparency_data:
        return _on_white
    return lambda strip: np.asarray(strip.convert("RGB"))


def _on_white(image: Image.Image) -> NDArray[np.uint8]:
    layers = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(layers, mask=layers)
    return np.asarray(paper)


def _numbers(image: Image.Image) -> NDArray[np.generic]:
    return np.nan_to_num(np.asarray(image))


def _gray(values: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    levels = np.clip(values.astype(np.float32) * (255.0 / white) + 0.5, 0, 255)
    return levels.astype(np.uint8)[:, :, np.newaxis]
