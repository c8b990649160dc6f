"""A circuit breaker that keeps a faulty child from failing every job.

A child that crashes at one job may have crashed because of the job. A child that crashes again and
again, and finishes no job in between, is more likely faulty itself. The breaker then opens: the
pool holds its jobs and sends them to a child one at a time, as probes, at growing intervals. The
first job that succeeds closes the breaker.
"""

import asyncio
import logging
from collections.abc import Callable

from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox.observer import PoolObserver

logger = logging.getLogger(__name__)

_FIRST_PROBE_DELAY_S = 1.0
_LONGEST_PROBE_DELAY_S = 60.0


class CrashLoopBreaker:
    """Counts consecutive crashes and opens at `limit` (0: never).

    It calls `on_probe_due` when the pool may send the next probe.
    """

    def __init__(
        self, name: str, limit: int, observer: PoolObserver, on_probe_due: Callable[[], None]
    ) -> None:
        self._name = name
        self._limit = limit
        self._observer = observer
        self._on_probe_due = on_probe_due
        self._crashes = 0
        self._cause = ""
        self._probe_delay_s = _FIRST_PROBE_DELAY_S
        self._probe_timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the pool holds its jobs."""
        return 0 < self._limit <= self._crashes

    def allows(self, jobs_running: int) -> bool:
        """Whether a child may get one more job."""
        return not self.is_open or (self._probe_timer is None and jobs_running == 0)

    def record_crash(self, cause: str) -> None:
        """Records that a child crashed at a job."""
        self._crashes += 1
        self._cause = cause
        if not self.is_open:
            return
        if self._crashes == self._limit:
            self._observer.breaker_changed(True)
            logger.error("%s", self._description())
        if self._probe_timer is not None:
            self._probe_timer.cancel()
        self._probe_timer = asyncio.get_running_loop().call_later(
            self._probe_delay_s, self._on_probe_timer
        )
        self._probe_delay_s = min(2 * self._probe_delay_s, _LONGEST_PROBE_DELAY_S)

    def record_success(self) -> None:
        """Records that a child finished a job."""
        if self.is_open:
            self._observer.breaker_changed(False)
            logger.warning("The %s works again; its jobs are no longer held", self._name)
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None
        self._crashes = 0
        self._probe_delay_s = _FIRST_PROBE_DELAY_S

    async def check(self) -> None:
        """Raises NotReadyError while the breaker is open."""
        if self.is_open:
            raise NotReadyError(self._description())

    def _on_probe_timer(self) -> None:
        self._probe_timer = None
        self._on_probe_due()

    def _description(self) -> str:
        return (
            f"the {self._name} died {self._crashes} times in a row and finished no job in between;"
            f" the last time it {self._cause}. Its jobs are held and tried one at a time, until one"
            f" succeeds. Repair the {self._name}, or stop whatever sends the jobs that kill it"
        )
