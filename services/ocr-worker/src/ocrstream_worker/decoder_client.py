"""The decoders as the worker uses them: in processes that may crash, hang or run out of memory."""

import os
from types import TracebackType
from typing import Self

import msgspec

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool
from ocrstream_worker.decode import DecodeLimits
from ocrstream_worker.decoder_server import DecodedImage, DecodeResult, File
from ocrstream_worker.errors import PermanentImageError

# A decoder's libraries need no threads of their own beside it.
_NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_answers: msgspec.msgpack.Decoder[DecodeResult] = msgspec.msgpack.Decoder(DecodeResult)


class DecoderClient:
    """`processes` of them, each with one file at a time; longer than `timeout_s` is a hang."""

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
            environment={**os.environ, **_NO_THREADS},
            depth=1,
            job_timeout_s=timeout_s,
            limits=limits or ChildLimits(),
        )
        self._pool = ChildPool(spec, processes=processes, observer=observer)

    @property
    def pids(self) -> list[int]:
        """The processes that decode now."""
        return self._pool.pids

    async def check(self) -> None:
        """Raises NotReady while they die at all images, or get too little CPU for any."""
        await self._pool.check()

    async def wait_ready(self) -> None:
        """Waits for the first. Raises ChildUnavailableError if there is no hope of one."""
        await self._pool.wait_ready()

    async def decode(self, buffer: SharedBuffer, size: int) -> tuple[int, int]:
        """Turns the file that is the buffer's first `size` bytes into pixels: height and width.

        Raises PermanentImageError, ChildDiedError (the file may be the cause), ChildStarvedError and
        ChildUnavailableError.
        """
        buffer.retain()
        job = msgspec.msgpack.encode(File(buffer.fd, size))
        answer = _answers.decode(await self._pool.call(job, on_settled=buffer.release))
        if isinstance(answer, DecodedImage):
            return answer.height, answer.width
        raise PermanentImageError(answer.reason, answer.error)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)
