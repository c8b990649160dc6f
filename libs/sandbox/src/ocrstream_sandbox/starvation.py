"""Keeps a lack of CPU from failing jobs.

A process that is ended because it got too little CPU costs its jobs nothing. Until one is done they
are given to processes one at a time, so that these share what CPU there is with fewer; and each
time the next may take twice as long, so that nothing is begun again and again in vain.
"""

import logging

from ocrstream_runtime.cpu_use import WALL_FACTOR
from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox.observer import PoolObserver

logger = logging.getLogger(__name__)

_DOUBLINGS_ALLOWED = 6


class Starvation:
    """Counts processes that were ended in a row because they got too little CPU."""

    def __init__(self, name: str, observer: PoolObserver) -> None:
        self._name = name
        self._observer = observer
        self._at_jobs = 0
        self._at_starts = 0
        self._cause = ""

    @property
    def wall_factor(self) -> float:
        """How many times its limit a process may take when it is starved: twice as many after each
        kill.
        """
        return WALL_FACTOR * 2 ** min(self._kills, _DOUBLINGS_ALLOWED)

    def admits(self, jobs_in_work: int) -> bool:
        """Whether a child may get one more job."""
        return self._at_jobs == 0 or jobs_in_work == 0

    def starved_at_job(self, cause: str) -> None:
        """A child was ended at a job."""
        self._at_jobs += 1
        self._starved(cause)

    def starved_at_start(self, cause: str) -> None:
        """A child was ended before it was ready."""
        self._at_starts += 1
        self._starved(cause)

    def started(self) -> None:
        """A child is ready."""
        self._at_starts = 0
        self._observer.starved(self._kills)

    def answered(self) -> None:
        """A child has done a job."""
        if self._at_jobs:
            logger.warning("The %s gets CPU again: jobs go on", self._name)
            self._at_jobs = 0
            self._observer.starved(self._kills)

    async def check(self) -> None:
        """Raises NotReadyError while no child that was starved has a successor that is not."""
        if self._kills:
            raise NotReadyError(self._explained())

    @property
    def _kills(self) -> int:
        return self._at_jobs + self._at_starts

    def _starved(self, cause: str) -> None:
        self._cause = cause
        self._observer.starved(self._kills)
        logger.error("%s", self._explained())

    def _explained(self) -> str:
        return (
            f"the {self._name} got too little CPU and was ended, {self._kills} times in a row; the"
            f" last time it {self._cause}. No job fails for it: they are done again, one at a time,"
            " until one is done. Give this service more CPU, or let fewer share it"
        )
