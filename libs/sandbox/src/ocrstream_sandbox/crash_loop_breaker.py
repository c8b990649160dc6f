"""Keeps a fault of the child from failing every job.

A child that dies at a job may do so because of the job. One that dies again and again, with no job
done in between, has more likely a fault of its own: then its jobs are held, and given to it one at
a time, after pauses that grow. Once one is done, all go on.
"""

import asyncio
import logging
from collections.abc import Callable

from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox.observer import PoolObserver

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class CrashLoopBreaker:
    """Counts deaths in a row; at `limit` jobs are held (0: never).

    `on_due` is called when a held job may be tried.
    """

    def __init__(
        self, name: str, limit: int, observer: PoolObserver, on_due: Callable[[], None]
    ) -> None:
        self._name = name
        self._limit = limit
        self._observer = observer
        self._on_due = on_due
        self._deaths = 0
        self._cause = ""
        self._pause_s = _FIRST_PAUSE_S
        self._pause: asyncio.TimerHandle | None = None

    @property
    def held(self) -> bool:
        """Whether jobs are held."""
        return 0 < self._limit <= self._deaths

    def admits(self, jobs_in_work: int) -> bool:
        """Whether a child may get one more job."""
        return not self.held or (self._pause is None and jobs_in_work == 0)

    def died(self, cause: str) -> None:
        """A child died at a job."""
        self._deaths += 1
        self._cause = cause
        if not self.held:
            return
        if self._deaths == self._limit:
            self._observer.held(True)
            logger.error("%s", self._explained())
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(self._pause_s, self._on_pause_over)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def answered(self) -> None:
        """A child has done a job."""
        if self.held:
            self._observer.held(False)
            logger.warning("The %s works again: jobs go on", self._name)
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._deaths = 0
        self._pause_s = _FIRST_PAUSE_S

    async def check(self) -> None:
        """Raises NotReadyError while jobs are held."""
        if self.held:
            raise NotReadyError(self._explained())

    def _on_pause_over(self) -> None:
        self._pause = None
        self._on_due()

    def _explained(self) -> str:
        return (
            f"the {self._name} died {self._deaths} times in a row, with no job done in between;"
            f" the last time it {self._cause}. Jobs are held and tried one at a time, until one is"
            f" done. Mend the {self._name}, or whatever sends it what no process survives"
        )
