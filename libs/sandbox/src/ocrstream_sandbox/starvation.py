"""Keeps a lack of CPU from failing jobs.

A child that is killed because it got too little CPU costs its jobs no attempt. Until a job
succeeds, children run one job at a time, so that fewer processes share the CPU. Each kill doubles
the time limit, so that a child does not start the same work again and again in vain.
"""

import logging

from ocrstream_runtime.cpu_use import WALL_FACTOR
from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox.observer import PoolObserver

logger = logging.getLogger(__name__)

_DOUBLINGS_ALLOWED = 6


class StarvationThrottle:
    """Counts consecutive kills of children that got too little CPU."""

    def __init__(self, name: str, observer: PoolObserver) -> None:
        self._name = name
        self._observer = observer
        self._starved_jobs = 0
        self._starved_starts = 0
        self._cause = ""

    @property
    def wall_factor(self) -> float:
        """How many times its limit a starved child may take; each kill doubles it."""
        return WALL_FACTOR * 2 ** min(self._kills, _DOUBLINGS_ALLOWED)

    def allows(self, jobs_running: int) -> bool:
        """Whether a child may get one more job."""
        return self._starved_jobs == 0 or jobs_running == 0

    def record_starved_job(self, cause: str) -> None:
        """Records that a child was killed while it ran a job."""
        self._starved_jobs += 1
        self._record(cause)

    def record_starved_start(self, cause: str) -> None:
        """Records that a child was killed before it was ready."""
        self._starved_starts += 1
        self._record(cause)

    def record_start(self) -> None:
        """Records that a child is ready."""
        self._starved_starts = 0
        self._observer.starvation_changed(self._kills)

    def record_success(self) -> None:
        """Records that a child finished a job."""
        if self._starved_jobs:
            logger.warning(
                "The %s gets enough CPU again; its jobs are no longer throttled", self._name
            )
            self._starved_jobs = 0
            self._observer.starvation_changed(self._kills)

    async def check(self) -> None:
        """Raises NotReadyError until a start or job has succeeded after each starved one."""
        if self._kills:
            raise NotReadyError(self._description())

    @property
    def _kills(self) -> int:
        return self._starved_jobs + self._starved_starts

    def _record(self, cause: str) -> None:
        self._cause = cause
        self._observer.starvation_changed(self._kills)
        logger.error("%s", self._description())

    def _description(self) -> str:
        return (
            f"the {self._name} got too little CPU and was killed, {self._kills} times in a row; the"
            f" last time it {self._cause}. No job fails for it: jobs are run again, one at a time,"
            " until one succeeds. Give this service more CPU, or run less beside it"
        )
