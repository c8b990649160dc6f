"""From a file's bytes to the pixels that engines read."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ocrstream_schemas.events import Reason
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.image_errors import ImageRejected, ImageUnreachable

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, by Pillow's names. All else is undecodable, even if Pillow knows it."""

# What "white" may be in samples without a declared range: the first that none exceeds.
_INTEGER_WHITES = (255.0, 65535.0)
_FLOAT_WHITES = (1.0, 255.0, 65535.0)


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """`max_pixels`: the largest raster that is decoded; checked in the header, before."""

    max_pixels: int = 100_000_000


class Decoder:
    """Decodes images; may be used from several threads at once."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._max_pixels = limits.max_pixels
        # Pillow's own limit guards what a header does not tell; it must not be below ours.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.max_pixels)

    def decode(self, data: bytes) -> RgbImage:
        """The first frame as RGB: upright by its EXIF tag, alpha on white, 16 bits scaled to 8.

        Raises ImageRejected (undecodable, too_large) and, if memory ran out, ImageUnreachable.
        """
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                self._check_size(image)
                image.load()
                self._check_size(image)
                return _to_rgb(_upright(image))
        except ImageRejected:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageRejected(Reason.TOO_LARGE, str(error)) from error
        except MemoryError as error:
            raise ImageUnreachable(Reason.TOO_LARGE, "no memory to decode the image") from error
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


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata takes nothing from the pixels
        return image


def _to_rgb(image: Image.Image) -> RgbImage:
    if image.mode.startswith("I;16"):
        return _gray(np.asarray(image), 65535.0)
    if image.mode in {"I", "F"}:
        values = np.nan_to_num(np.asarray(image))
        whites = _INTEGER_WHITES if image.mode == "I" else _FLOAT_WHITES
        greatest = float(values.max())
        return _gray(values, next((white for white in whites if greatest <= white), greatest))
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(white, opaque).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _gray(values: NDArray[np.generic], white: float) -> RgbImage:
    scaled = np.clip(values.astype(np.float32) * (255.0 / white) + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(scaled[:, :, np.newaxis], 3, axis=2)
