"""How long somebody else may take, when we may get too little CPU to notice that they are done."""

import asyncio
from types import TracebackType
from typing import Self

from ocrstream_runtime.cpu_use import WALL_FACTOR, thread_busy_s

_LONGEST_TICK_S = 0.25
_TICKS_OF_A_LIMIT = 8


class Patience:
    """As `asyncio.timeout`: what is awaited within may keep us waiting for `limit_s`.

        async with Patience(5.0):
            await answer

    Only time counts for which the event loop's thread slept: not what it ran or waited for a core,
    and of what it was stopped no more than the part that a look falls into. It ends after ten times
    the limit at the latest. Where the system does not tell what the thread did, a loop that is held
    up counts as stopped.
    """

    def __init__(self, limit_s: float) -> None:
        self.spent_s = 0.0
        """How much of the limit is used up."""
        self._limit_s = limit_s
        self._tick_s = max(0.0, min(_LONGEST_TICK_S, limit_s / _TICKS_OF_A_LIMIT))
        self._timeout = asyncio.timeout(limit_s * WALL_FACTOR)
        self._looked_at = self._busy_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._expiring = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._looked_at, self._busy_s = self._now(), thread_busy_s()
        self._tick_later()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if self._timer is not None:
            self._timer.cancel()
        self._look()
        return await self._timeout.__aexit__(kind, error, trace)

    def _tick_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._look()
        if self._timeout.expired():
            return
        is_over = self.spent_s >= self._limit_s
        # What is awaited may be here and not read yet: one tick more.
        if is_over and self._expiring:
            self._timeout.reschedule(self._now())
            return
        self._expiring = is_over
        self._tick_later()

    def _look(self) -> None:
        now, busy_s = self._now(), thread_busy_s()
        slept_s = max(0.0, now - self._looked_at - (busy_s - self._busy_s))
        # Longer than a tick it did not sleep, but was stopped.
        self.spent_s += min(slept_s, self._tick_s)
        self._looked_at, self._busy_s = now, busy_s

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
