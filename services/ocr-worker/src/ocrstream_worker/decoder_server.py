"""The decoder's process: decodes the files in shared buffers.

A `ChildPool` runs it as `python -m ocrstream_worker.decoder_server`.
"""

import sys
from collections.abc import Sequence
from functools import partial

import msgspec

from ocrstream_sandbox.serve import serve
from ocrstream_sandbox.shared_buffers import BufferMappings
from ocrstream_schemas.events import Reason, ResultWarning
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.pixels import writable_raster
from ocrstream_worker.errors import PermanentImageError


class DecodeJob(msgspec.Struct, frozen=True):
    """A job: the buffer's first `size` bytes are a file; its pixels replace it."""

    buffer_fd: int
    size: int


class DecodedImage(msgspec.Struct, frozen=True, tag=True):
    """The buffer holds the pixels. The image's result must carry the warnings."""

    height: int
    width: int
    warnings: tuple[ResultWarning, ...] = ()


class RejectedImage(msgspec.Struct, frozen=True, tag=True):
    """The file cannot be decoded; a retry fails the same way."""

    reason: Reason
    error: str


DecodeResult = DecodedImage | RejectedImage


class DecoderHandler:
    """Decodes one file after another."""

    info = b""

    def __init__(self, settings: bytes) -> None:
        self._decoder = Decoder(msgspec.msgpack.decode(settings, type=DecodeLimits))
        self._mappings = BufferMappings()

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        return [
            msgspec.msgpack.encode(self._decode(msgspec.msgpack.decode(job, type=DecodeJob)))
            for job in jobs
        ]

    def _decode(self, job: DecodeJob) -> DecodeResult:
        try:
            data = self._mappings.read(job.buffer_fd, job.size)
            make_raster = partial(writable_raster, self._mappings, job.buffer_fd)
            page = self._decoder.decode_page(data, make_raster)
        except PermanentImageError as error:
            return RejectedImage(error.reason, str(error))
        except MemoryError:
            return RejectedImage(
                Reason.TOO_LARGE,
                "the image needs more memory to decode than is allowed"
                " (OCRSTREAM_DECODER_MEMORY_MIB)",
            )
        height, width = page.pixels.shape[:2]
        return DecodedImage(height, width, page.warnings)


if __name__ == "__main__":
    sys.exit(serve(DecoderHandler))
