"""The engine as the worker uses it: in a process of its own, where it may crash or hang.

async with EngineProcess(settings, slots) as engine:
    outcome = await engine.recognize(slot, height, width)
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from ocrstream_worker.children.life import ChildLimits, ChildSpec
from ocrstream_worker.children.pool import ChildPool
from ocrstream_worker.children.slots import Slot, Slots
from ocrstream_worker.engines.child import Raster
from ocrstream_worker.engines.port import EngineInfo, EngineSettings, Outcome, ReadOptions

_outcomes: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)


class EngineProcess:
    """The engine, and a new one whenever it dies.

    Images that come while it works are read up to `batch_size` in one go; it never waits for more.
    """

    def __init__(
        self,
        settings: EngineSettings,
        slots: Slots,
        *,
        batch_size: int = 1,
        limits: ChildLimits | None = None,
    ) -> None:
        spec = ChildSpec(
            module="ocrstream_worker.engines.child",
            settings=msgspec.msgpack.encode(settings),
            fds=slots.fds,
            environment=_thread_limits(settings.threads),
            batch_size=batch_size,
            start_timeout_s=settings.start_timeout_s,
            job_timeout_s=settings.image_timeout_s,
            limits=limits or ChildLimits(),
        )
        self._pool = ChildPool("engine", spec)

    @property
    def ready(self) -> bool:
        """Whether the engine is warm and works on what it gets."""
        return self._pool.ready

    @property
    def pid(self) -> int | None:
        """The process that takes images now, if there is one."""
        return next(iter(self._pool.pids), None)

    async def check_deaths(self) -> None:
        """Raises NotReady while it dies at all images, or gets too little CPU for any."""
        await self._pool.check_deaths()

    async def wait_ready(self) -> EngineInfo:
        """Waits for the first warm-up. Raises ChildUnavailable if there is no hope of one."""
        return msgspec.msgpack.decode(await self._pool.wait_ready(), type=EngineInfo)

    async def recognize(
        self,
        slot: Slot,
        height: int,
        width: int,
        options: ReadOptions,
        *,
        alone: bool = False,
        on_begun: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Reads the pixels that lie in the slot. `alone`: not in one go with other images.

        `on_begun` is called when the engine begins; cancelled before that, it never does.

        Raises ChildDied if the process ended or hung while it worked on this image, ChildStarved if
        it got too little CPU for it, and ChildUnavailable.
        """
        slot.hold()
        job = msgspec.msgpack.encode(Raster(slot.fd, height, width, options))
        answer = await self._pool.call(job, alone=alone, on_begun=on_begun, on_settled=slot.let_go)
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
        """Ends the process. Calls still waiting raise ChildDied."""
        await self._pool.__aexit__(kind, error, trace)


def _thread_limits(threads: int) -> dict[str, str]:
    # Read by OpenMP, BLAS and torch when they are loaded, so it must be in the environment.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
