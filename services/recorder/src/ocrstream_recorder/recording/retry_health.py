"""Whether something fails and is tried again: what readiness and a metric tell of it."""

import time
from collections.abc import Hashable
from typing import NamedTuple

from prometheus_client import Gauge

from ocrstream_runtime.health import NotReady


class _Failure(NamedTuple):
    since: float
    error: str


class RetryHealth:
    """What is tried again until it succeeds; `gauge` is 1 while that is true of anything.

    Several may be at a time, told apart by `this`: the success of one hides no other's failure.
    """

    def __init__(self, what: str, gauge: Gauge) -> None:
        self._what = what
        self._gauge = gauge
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, error: Exception, this: Hashable) -> None:
        """An attempt at `this` failed, another one follows."""
        before = self._failures.get(this)
        since = before.since if before else time.monotonic()
        self._failures[this] = _Failure(since, f"{type(error).__name__}: {error}")
        self._gauge.set(1)

    def ended(self, this: Hashable) -> None:
        """An attempt at `this` succeeded, or it is not tried any more."""
        if self._failures.pop(this, None) and not self._failures:
            self._gauge.set(0)

    async def check(self) -> None:
        """Raises NotReady while anything is tried again; tells of what fails for longest."""
        if self._failures:
            failure = min(self._failures.values())
            for_s = time.monotonic() - failure.since
            raise NotReady(f"{self._what} tried again for {for_s:.0f} s: {failure.error}")
