"""The loop of a background task: rounds of work with pauses between them, until a stop."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import structlog

from ocrstream_runtime.retries import Backoff, RetryHealth, describe_error

logger = structlog.get_logger(__name__)

Round = Callable[[], Awaitable[float | None]]
"""One round of work. Returns the pause until the next round, in seconds: 0 to continue at once,
`math.inf` to wait for `wake`, None for the loop's interval."""


class BackgroundLoop:
    """Calls `run_round` until a stop event is set, and pauses between two rounds.

    The pause takes `interval_s` unless the round returns another one. Setting `wake` ends the pause
    early; the loop clears `wake` before each round. A round that raises one of `retry_on` failed:
    the loop logs the failure under its `name`, calls `on_failure`, pauses for `backoff` (by default
    for `interval_s`), during which `wake` has no effect, and runs the next round. `health` reports
    the loop as not ready meanwhile. Any other exception ends the loop.
    """

    def __init__(
        self,
        name: str,
        run_round: Round,
        *,
        interval_s: float,
        retry_on: tuple[type[Exception], ...],
        backoff: Backoff | None = None,
        wake: asyncio.Event | None = None,
        health: RetryHealth | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._name = name
        self._run_round = run_round
        self._interval_s = interval_s
        self._retry_on = retry_on
        self._backoff = backoff or Backoff(interval_s)
        self._wake = wake or asyncio.Event()
        self._health = health
        self._on_failure = on_failure
        self._pauses = self._backoff.pauses()
        self._failure: str | None = None
        self._failing_since = 0.0

    async def run(self, *stops: asyncio.Event) -> None:
        """Runs rounds until one of `stops` is set.

        A stop ends a pause at once, but never cancels a round. Raises what a round raises that is
        not in `retry_on`.
        """
        try:
            while not any(stop.is_set() for stop in stops):
                self._wake.clear()
                try:
                    pause_s = await self._run_round()
                except self._retry_on as error:
                    await _pause(self._failed(error), *stops)
                else:
                    self._succeeded()
                    pause_s = self._interval_s if pause_s is None else pause_s
                    await _pause(pause_s, *stops, self._wake)
        finally:
            if self._health is not None:
                self._health.ended(self)

    def _failed(self, error: Exception) -> float:
        """Reports a round that failed; returns the pause after it, in seconds."""
        if self._health is not None:
            self._health.failed(self, error)
        if self._failure is None:
            self._failing_since = time.monotonic()
        pause_s = next(self._pauses)
        last_failure, self._failure = self._failure, describe_error(error)
        # A failure that lasts is logged once, not once a round.
        if self._failure != last_failure:
            logger.warning(
                "background loop fails", loop=self._name, error=self._failure, retry_in_s=pause_s
            )
        if self._on_failure is not None:
            self._on_failure(error)
        return pause_s

    def _succeeded(self) -> None:
        if self._failure is None:
            return
        if self._health is not None:
            self._health.ended(self)
        failed_for_s = round(time.monotonic() - self._failing_since, 1)
        logger.info("background loop recovered", loop=self._name, failed_for_s=failed_for_s)
        self._failure, self._pauses = None, self._backoff.pauses()


async def _pause(pause_s: float, *events: asyncio.Event) -> None:
    """Waits for `pause_s`, or until one of the events is set."""
    if pause_s <= 0:
        # A loop that always has more to do still lets other tasks run.
        await asyncio.sleep(0)
        return
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(
            waits,
            timeout=None if pause_s == math.inf else pause_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        for wait in waits:
            wait.cancel()
