"""The engine as the worker uses it: in a process of its own, where it may crash or hang.

async with EngineClient(settings, buffers) as engine:
    outcome = await engine.recognize(buffer, height, width)
"""

import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool
from ocrstream_worker.engines.engine_server import RecognizeJob
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    RecognitionOptions,
    RecognitionOutcome,
)

_outcomes: msgspec.msgpack.Decoder[RecognitionOutcome] = msgspec.msgpack.Decoder(RecognitionOutcome)


class EngineClient:
    """The engine, and a new one whenever it dies.

    Images that come while it works are read up to `batch_size` in one go; it never waits for more.
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
        self._pool = ChildPool(spec, observer=observer)

    @property
    def ready(self) -> bool:
        """Whether the engine is warm and works on what it gets."""
        return self._pool.ready

    @property
    def pid(self) -> int | None:
        """The process that takes images now, if there is one."""
        return next(iter(self._pool.pids), None)

    async def check(self) -> None:
        """Raises NotReady while it dies at all images, or gets too little CPU for any."""
        await self._pool.check()

    async def wait_ready(self) -> EngineInfo:
        """Waits for the first warm-up. Raises ChildUnavailableError if there is no hope of one."""
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
        """Reads the pixels that lie in the buffer. `alone`: not in one go with other images.

        `on_started` is called when the engine begins; cancelled before that, it never does.

        Raises ChildDiedError if the process ended or hung while it worked on this image,
        ChildStarvedError if it got too little CPU for it, and ChildUnavailableError.
        """
        buffer.retain()
        job = msgspec.msgpack.encode(RecognizeJob(buffer.fd, height, width, options))
        answer = await self._pool.call(
            job, isolated=alone, on_started=on_started, on_settled=buffer.release
        )
        return _outcomes.decode(answer)

    async def __aenter__(self) -> Self:
        """Starts the engine; does not wait until it is ready."""
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the process. Calls still waiting raise ChildDiedError."""
        await self._pool.__aexit__(kind, error, trace)


def _thread_limits(threads: int) -> dict[str, str]:
    # Read by OpenMP, BLAS and torch when they are loaded, so it must be in the environment.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
