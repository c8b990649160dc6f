"""Decodes an image file to the pixels that engines read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ocrstream_imaging import (
    ImageFileError,
    ReducedResolution,
    TooManyFramesError,
    TooManyPixelsError,
    basic_mode_strips,
    first_frame,
    load_upright,
    reduced_resolution,
)
from ocrstream_schemas.events import Reason, ResultWarning, WarningCode
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.errors import PermanentImageError


def allocate_raster(height: int, width: int) -> RgbImage:
    """Allocates memory for an image."""
    return np.empty((height, width, 3), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """Limits that are checked in the header, before anything is decoded.

    `max_pixels`: the largest raster. `max_frames`: the most frames a file may have; only the first
    is decoded.
    """

    max_pixels: int = 100_000_000
    max_frames: int = 1_000


@dataclass(frozen=True)
class DecodedPage:
    """The pixels of a file, and the warnings that its result must carry."""

    pixels: RgbImage
    warnings: tuple[ResultWarning, ...] = ()


class Decoder:
    """Decodes image files."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._max_pixels = limits.max_pixels
        self._max_frames = limits.max_frames

    def decode(
        self, data: bytes, make_raster: Callable[[int, int], RgbImage] = allocate_raster
    ) -> RgbImage:
        """The pixels of `decode_page`."""
        return self.decode_page(data, make_raster).pixels

    def decode_page(
        self, data: bytes, make_raster: Callable[[int, int], RgbImage] = allocate_raster
    ) -> DecodedPage:
        """Decodes the first frame to RGB: upright by EXIF, alpha on white, 16 bits scaled to 8.

        Writes the pixels into what `make_raster` returns for a height and a width. Raises
        PermanentImageError (undecodable, too_large) and MemoryError.
        """
        try:
            with first_frame(
                data, max_pixels=self._max_pixels, max_frames=self._max_frames
            ) as image:
                note = reduced_resolution(image)
                load_upright(image, self._max_pixels)
                pixels = make_raster(image.height, image.width)
                # Strip by strip: memory has no room for copies of a large image.
                for top, strip in basic_mode_strips(image):
                    # Pillow converts gray to RGB in half the time that NumPy takes.
                    colors = strip if strip.mode == "RGB" else strip.convert("RGB")
                    pixels[top : top + strip.height] = np.asarray(colors)
                return DecodedPage(pixels, () if note is None else (_reduced(note),))
        except TooManyPixelsError as error:
            raise PermanentImageError(
                Reason.TOO_LARGE, f"{error} (OCRSTREAM_MAX_IMAGE_PIXELS)"
            ) from error
        except TooManyFramesError as error:
            raise PermanentImageError(
                Reason.TOO_LARGE, f"{error} (OCRSTREAM_MAX_IMAGE_FRAMES)"
            ) from error
        except ImageFileError as error:
            raise PermanentImageError(Reason.UNDECODABLE, str(error)) from error


def _reduced(note: ReducedResolution) -> ResultWarning:
    return ResultWarning(
        code=WarningCode.REDUCED_RESOLUTION,
        detail=f"The page is so large that ingest rendered it at {note.dpi} dpi instead of"
        f" {note.configured_dpi}: small text may be missing or wrong; upload it again with a"
        " greater OCRSTREAM_MAX_PAGE_PIXELS",
    )
