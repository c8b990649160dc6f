"""Retries of work that fails for a while: how long to pause, and what readiness reports."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import structlog
from prometheus_client import Gauge

from ocrstream_runtime.errors import NotReadyError, StoppedError
from ocrstream_runtime.lifecycle import wait_for_event

logger = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff without jitter: `first_s`, then twice as long each time, up to `max_s`.

    Without `max_s` every pause takes `first_s`.
    """

    first_s: float
    max_s: float | None = None

    def pauses(self) -> Iterator[float]:
        """Yields the pause after each failure, in seconds, without end."""
        pause_s, max_s = self.first_s, self.first_s if self.max_s is None else self.max_s
        while True:
            yield pause_s
            pause_s = min(2 * pause_s, max_s)


OUTAGE_BACKOFF = Backoff(0.2, 5.0)
"""For work that waits until Kafka or a database accepts connections."""


class _Failure(NamedTuple):
    since: float
    error: str


class RetryHealth:
    """Reports work that fails and is retried: as not ready, and by setting `gauge` to 1.

    `what` names the work in the readiness message. Several pieces of work can fail at a time; each
    has a key, so the success of one does not hide the failure of another.
    """

    def __init__(self, what: str, gauge: Gauge) -> None:
        self._what = what
        self._gauge = gauge
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, key: Hashable, error: Exception) -> None:
        """Records that an attempt failed and will be retried."""
        before = self._failures.get(key)
        since = before.since if before else time.monotonic()
        self._failures[key] = _Failure(since, describe_error(error))
        self._gauge.set(1)

    def ended(self, key: Hashable) -> None:
        """Records that an attempt succeeded, or that the work is not retried any more."""
        if self._failures.pop(key, None) and not self._failures:
            self._gauge.set(0)

    async def check(self) -> None:
        """Raises NotReadyError while any work fails; names the failure that lasts longest."""
        if self._failures:
            failure = min(self._failures.values())
            failing_s = time.monotonic() - failure.since
            raise NotReadyError(f"{self._what} has failed for {failing_s:.0f} s: {failure.error}")


async def retry(
    what: str,
    attempt: Callable[[], Awaitable[ResultT]],
    retry_on: tuple[type[Exception], ...],
    stop: asyncio.Event,
    *,
    backoff: Backoff = OUTAGE_BACKOFF,
    health: RetryHealth | None = None,
) -> ResultT:
    """Returns what `attempt` returns, and calls it again for as long as it raises a `retry_on`.

    Calls `attempt` at least once, and never cancels it. Logs each failure under the name `what` and
    reports it to `health`. Raises StoppedError, from the last failure, once `stop` is set.
    """
    key = object()
    pauses = backoff.pauses()
    try:
        while True:
            try:
                return await attempt()
            except retry_on as error:
                if health is not None:
                    health.failed(key, error)
                pause_s = next(pauses)
                logger.warning(
                    "attempt failed, it is retried",
                    what=what,
                    error=describe_error(error),
                    retry_in_s=pause_s,
                )
                if await wait_for_event(stop, pause_s):
                    raise StoppedError from error
    finally:
        if health is not None:
            health.ended(key)


def describe_error(error: Exception) -> str:
    """Returns the error's type and, where it has one, its message."""
    name, message = type(error).__name__, str(error)
    return f"{name}: {message}" if message else name
