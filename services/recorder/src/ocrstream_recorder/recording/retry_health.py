"""Whether something fails and is tried again: what readiness and a metric show of it."""

import time
from collections.abc import Hashable
from typing import NamedTuple

from prometheus_client import Gauge

from ocrstream_runtime.errors import NotReadyError


class _Failure(NamedTuple):
    since: float
    error: str


class RetryHealth:
    """Operations that are tried again until they succeed; `gauge` is 1 while there is any.

    `what` is what readiness calls them. The success of one hides no other's failure.
    """

    def __init__(self, what: str, gauge: Gauge) -> None:
        self._what = what
        self._gauge = gauge
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, error: Exception, operation: Hashable) -> None:
        """An attempt at the operation failed, another one follows."""
        before = self._failures.get(operation)
        since = before.since if before else time.monotonic()
        self._failures[operation] = _Failure(since, f"{type(error).__name__}: {error}")
        self._gauge.set(1)

    def ended(self, operation: Hashable) -> None:
        """An attempt at the operation succeeded, or it is not tried any more."""
        if self._failures.pop(operation, None) and not self._failures:
            self._gauge.set(0)

    async def check(self) -> None:
        """Raises NotReadyError while anything is tried again; names what fails for longest."""
        if self._failures:
            failure = min(self._failures.values())
            for_s = time.monotonic() - failure.since
            raise NotReadyError(f"{self._what} tried again for {for_s:.0f} s: {failure.error}")
