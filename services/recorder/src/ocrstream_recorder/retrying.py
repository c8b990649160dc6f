"""Whether something fails and is tried again: what readiness and a metric tell of it."""

import time

from prometheus_client import Gauge

from ocrstream_runtime.health import NotReady


class Retrying:
    """The state of one thing that is tried again until it succeeds; `gauge` is 1 meanwhile."""

    def __init__(self, what: str, gauge: Gauge) -> None:
        self._what = what
        self._gauge = gauge
        self._error: str | None = None
        self._since = 0.0

    def failed(self, error: Exception) -> None:
        """An attempt failed, another one follows."""
        if self._error is None:
            self._since = time.monotonic()
            self._gauge.set(1)
        self._error = f"{type(error).__name__}: {error}"

    def succeeded(self) -> None:
        """An attempt succeeded, or there is nothing to be tried any more."""
        if self._error is not None:
            self._error = None
            self._gauge.set(0)

    async def check(self) -> None:
        """Raises NotReady while it is tried again."""
        if self._error is not None:
            for_s = time.monotonic() - self._since
            raise NotReady(f"{self._what} tried again for {for_s:.0f} s: {self._error}")
