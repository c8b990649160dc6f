"""Runs the engine in a child process, where it may crash or hang.

async with EngineClient(settings, buffers) as engine:
    outcome = await engine.recognize(buffer, height, width)
"""

import os
from collections.abc import Callable

import msgspec

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.pool_client import PoolClient
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool
from ocrstream_worker.engines.engine_server import RecognizeJob
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    RecognitionOptions,
    RecognitionOutcome,
)

_outcomes: msgspec.msgpack.Decoder[RecognitionOutcome] = msgspec.msgpack.Decoder(RecognitionOutcome)


class EngineClient(PoolClient):
    """The engine's process, replaced whenever it dies.

    It recognises up to `batch_size` waiting images in one batch, and never waits for more.
    """

    def __init__(
        self,
        settings: EngineSettings,
        buffers: SharedBufferPool,
        *,
        batch_size: int = 1,
        limits: ChildLimits | None = None,
        observer: PoolObserver | None = None,
    ) -> None:
        spec = ChildSpec(
            name="engine",
            module="ocrstream_worker.engines.engine_server",
            settings=msgspec.msgpack.encode(settings),
            fds=buffers.fds,
            environment={**os.environ, **_thread_limits(settings.threads)},
            batch_size=batch_size,
            start_timeout_s=settings.start_timeout_s,
            job_timeout_s=settings.image_timeout_s,
            limits=limits or ChildLimits(),
        )
        super().__init__(ChildPool(spec, observer=observer))

    @property
    def ready(self) -> bool:
        """Whether the engine accepts images."""
        return self._pool.ready

    @property
    def pid(self) -> int | None:
        """The process that accepts images now, or None."""
        return next(iter(self._pool.pids), None)

    async def wait_ready(self) -> EngineInfo:
        """Waits until the engine is warm. Raises ChildUnavailableError if it cannot start."""
        return msgspec.msgpack.decode(await self._pool.wait_ready(), type=EngineInfo)

    async def recognize(
        self,
        buffer: SharedBuffer,
        height: int,
        width: int,
        options: RecognitionOptions,
        *,
        isolated: bool = False,
        on_started: Callable[[], None] = lambda: None,
    ) -> RecognitionOutcome:
        """Recognises the pixels in the buffer. `isolated`: in a batch of its own.

        Calls `on_started` when the engine starts the image; a call that is cancelled before
        prevents it. Raises ChildDiedError if the process exited or hung while it worked on this
        image, ChildStarvedError if it got too little CPU for it, and ChildUnavailableError.
        """
        buffer.retain()
        job = msgspec.msgpack.encode(RecognizeJob(buffer.fd, height, width, options))
        result = await self._pool.call(
            job, isolated=isolated, on_started=on_started, on_settled=buffer.release
        )
        return _outcomes.decode(result)


def _thread_limits(threads: int) -> dict[str, str]:
    # OpenMP, BLAS and torch read the environment when they are loaded.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
