"""A timeout that does not count the time in which this process gets no CPU."""

import asyncio
from types import TracebackType
from typing import Self

from ocrstream_runtime.cpu_use import WALL_FACTOR, thread_busy_s

_MAX_TICK_S = 0.25
_TICKS_PER_TIMEOUT = 8


class StarvationAwareTimeout:
    """Limits the time for which the body may wait for others, like `asyncio.timeout`.

        async with StarvationAwareTimeout(5.0):
            await response

    Only the time counts in which the event loop's thread sleeps, in ticks of at most a quarter of a
    second: not the time in which it runs or waits for a CPU, and of the time in which it is stopped
    no more than a tick. In any case the timeout expires after ten times the limit in wall time.
    Where Linux does not report what the thread did, a blocked event loop counts as stopped.
    """

    def __init__(self, timeout_s: float) -> None:
        self.spent_s = 0.0
        """How much of the timeout has passed."""
        self._timeout_s = timeout_s
        self._tick_s = max(0.0, min(_MAX_TICK_S, timeout_s / _TICKS_PER_TIMEOUT))
        self._timeout = asyncio.timeout(timeout_s * WALL_FACTOR)
        self._measured_at = self._busy_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._expiring = False

    def restart(self) -> None:
        """Grants the body the whole timeout again, unless the timeout has expired."""
        if self._timeout.expired():
            return
        self._measure()
        self.spent_s, self._expiring = 0.0, False
        self._timeout.reschedule(self._now() + self._timeout_s * WALL_FACTOR)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._measured_at, self._busy_s = self._now(), thread_busy_s()
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
        self._measure()
        return await self._timeout.__aexit__(kind, error, trace)

    def _tick_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._measure()
        if self._timeout.expired():
            return
        is_spent = self.spent_s >= self._timeout_s
        # The awaited data may have arrived without being read, so the body gets one tick more.
        if is_spent and self._expiring:
            self._timeout.reschedule(self._now())
            return
        self._expiring = is_spent
        self._tick_later()

    def _measure(self) -> None:
        now, busy_s = self._now(), thread_busy_s()
        slept_s = max(0.0, now - self._measured_at - (busy_s - self._busy_s))
        # The timer ends each sleep after a tick, so a longer one means that the thread was stopped.
        self.spent_s += min(slept_s, self._tick_s)
        self._measured_at, self._busy_s = now, busy_s

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
