"""Distinguishes a process that hangs from one that is starved of CPU.

The limit counts time in which the process could work: it ran, or it slept of its own accord. Time
in which it waited for a core or was stopped does not count, but is limited too.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ocrstream_runtime.cpu_use import CpuMeter

_LONGEST_TICK_S = 0.25
_TICKS_OF_A_LIMIT = 8
_LATE_S = 0.1


@dataclass(frozen=True)
class Expiry:
    """A process sent nothing for `within_s` seconds, of which it could work for `worked_s`.

    `starved`: it got too little CPU. Otherwise it hangs.
    """

    starved: bool
    within_s: float
    worked_s: float


class Watchdog:
    """Watches one process. Calls `on_expired` at most once for each `watch`."""

    def __init__(self, pid: int, on_expired: Callable[[Expiry], None]) -> None:
        self._meter = CpuMeter(pid)
        self._on_expired = on_expired
        self._timer: asyncio.TimerHandle | None = None
        self._limit_s = self._wall_limit_s = self._tick_s = 0.0
        self._began = self._last_tick_at = self._worked_s = 0.0
        self._expired_last_tick = False

    def watch(self, limit_s: float, wall_limit_s: float) -> None:
        """Starts the limits anew: the process may work `limit_s`, within `wall_limit_s`.

        Where the system does not report how long a process worked, it hangs after `wall_limit_s`.
        """
        self.stop()
        self._limit_s = limit_s
        self._wall_limit_s = wall_limit_s
        self._tick_s = min(_LONGEST_TICK_S, limit_s / _TICKS_OF_A_LIMIT)
        self._began = self._last_tick_at = asyncio.get_running_loop().time()
        self._worked_s = 0.0
        self._expired_last_tick = False
        self._tick_later()

    def stop(self) -> None:
        """Stops watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        now = asyncio.get_running_loop().time()
        elapsed_s, self._last_tick_at = now - self._last_tick_at, now
        use = self._meter.look()
        if use is not None:
            # A late tick: this process was starved or stopped, and perhaps the child too.
            late = elapsed_s > self._tick_s + _LATE_S
            self._worked_s += min(use.ran_s, elapsed_s) if late else use.worked_s(elapsed_s)
        expiry = self._expiry(now - self._began, measured=use is not None)
        # Its message may have arrived but not been read yet: allow one tick more.
        if expiry is not None and self._expired_last_tick:
            self._timer = None
            self._on_expired(expiry)
            return
        self._expired_last_tick = expiry is not None
        self._tick_later()

    def _expiry(self, elapsed_s: float, *, measured: bool) -> Expiry | None:
        if self._worked_s >= self._limit_s:
            return Expiry(starved=False, within_s=self._limit_s, worked_s=self._worked_s)
        if elapsed_s >= self._wall_limit_s:
            return Expiry(starved=measured, within_s=self._wall_limit_s, worked_s=self._worked_s)
        return None
