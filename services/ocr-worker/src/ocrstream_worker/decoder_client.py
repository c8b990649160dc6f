"""Decodes images in child processes, which may crash, hang or run out of memory."""

import os

import msgspec

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.pool_client import PoolClient
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool
from ocrstream_worker.decode import DecodeLimits
from ocrstream_worker.decoder_server import DecodedImage, DecodeJob, DecodeResult
from ocrstream_worker.errors import PermanentImageError

# Several decoders run in parallel: their libraries need no further threads.
_SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_results: msgspec.msgpack.Decoder[DecodeResult] = msgspec.msgpack.Decoder(DecodeResult)


class DecoderClient(PoolClient):
    """`processes` decoders, each with one file at a time.

    A decoder that works longer than `timeout_s` on a file hangs.
    """

    def __init__(
        self,
        decoding: DecodeLimits,
        buffers: SharedBufferPool,
        *,
        processes: int = 2,
        timeout_s: float = 60.0,
        limits: ChildLimits | None = None,
        observer: PoolObserver | None = None,
    ) -> None:
        spec = ChildSpec(
            name="decoder",
            module="ocrstream_worker.decoder_server",
            settings=msgspec.msgpack.encode(decoding),
            fds=buffers.fds,
            environment={**os.environ, **_SINGLE_THREADED},
            depth=1,
            job_timeout_s=timeout_s,
            limits=limits or ChildLimits(),
        )
        super().__init__(ChildPool(spec, processes=processes, observer=observer))

    @property
    def pids(self) -> list[int]:
        """The process ids of the running decoders."""
        return self._pool.pids

    async def wait_ready(self) -> None:
        """Waits for the first decoder. Raises ChildUnavailableError if none can start."""
        await self._pool.wait_ready()

    async def decode(self, buffer: SharedBuffer, size: int) -> DecodedImage:
        """Replaces the file, the buffer's first `size` bytes, by its pixels.

        Raises PermanentImageError, ChildDiedError (the file may be
        the cause), ChildStarvedError and ChildUnavailableError.
        """
        buffer.retain()
        job = msgspec.msgpack.encode(DecodeJob(buffer.fd, size))
        result = _results.decode(await self._pool.call(job, on_settled=buffer.release))
        if isinstance(result, DecodedImage):
            return result
        raise PermanentImageError(result.reason, result.error)
