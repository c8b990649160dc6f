"""A pool of child processes: it starts them, shares jobs among them and replaces them.

    async with ChildPool(spec, processes=2) as pool:
        result = await pool.call(b"job")

A child may crash, hang or hold its GIL without any effect on the parent.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from ocrstream_sandbox.child_process import ChildProcess, ChildSpec, Job
from ocrstream_sandbox.crash_loop_breaker import CrashLoopBreaker
from ocrstream_sandbox.errors import (
    ChildDiedError,
    ChildError,
    ChildStarvedError,
    ChildUnavailableError,
)
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.starvation import StarvationThrottle
from ocrstream_sandbox.wire import JobsFinished, JobsStarted

logger = logging.getLogger(__name__)
T = TypeVar("T")

_FAILED_STARTS_ALLOWED = 5
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


class ChildPool:
    """`processes` children with one spec.

    Create, use and close it within one event loop; any number of its tasks may call it.
    """

    def __init__(
        self, spec: ChildSpec, *, processes: int = 1, observer: PoolObserver | None = None
    ) -> None:
        self._spec = spec
        self._processes = processes
        self._observer = observer or PoolObserver()
        self._next_number = 0
        # Jobs that no child holds, in order.
        self._queue: deque[Job] = deque()
        # Children that accept jobs, and children that only finish the jobs they hold.
        self._accepting: list[ChildProcess] = []
        self._draining: set[ChildProcess] = set()
        self._info: asyncio.Future[bytes] = asyncio.Future()
        self._failure: ChildError | None = None
        self._breaker = CrashLoopBreaker(
            spec.name, spec.limits.crash_loop_limit, self._observer, self._dispatch
        )
        self._starvation = StarvationThrottle(spec.name, self._observer)
        self._tasks: set[asyncio.Task[Any]] = set()
        # Never cancelled, so that no process is left behind.
        self._reapers: set[asyncio.Task[tuple[str, bool]]] = set()

    @property
    def ready(self) -> bool:
        """Whether a child accepts jobs."""
        return bool(self._accepting)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that accept jobs."""
        return [child.pid for child in self._accepting]

    async def wait_ready(self) -> bytes:
        """Waits for the first child that is ready; returns its info.

        Raises ChildUnavailableError if no child can start.
        """
        return await asyncio.shield(self._info)

    async def check(self) -> None:
        """Raises NotReadyError while children crash at every job or get too little CPU."""
        await self._breaker.check()
        await self._starvation.check()

    async def call(
        self,
        content: bytes,
        *,
        isolated: bool = False,
        on_started: Callable[[], None] = lambda: None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> bytes:
        """Runs a job and returns its result. `isolated`: in a batch of its own.

        The pool calls `on_started` when a child starts the job, and `on_settled` when no child
        holds the job any more. A call that is cancelled before the job has started prevents it;
        afterwards the result is discarded.

        Raises ChildDiedError if the child exited or hung while it ran this job (jobs behind it are
        run by another child), ChildStarvedError if it got too little CPU for the job, and
        ChildUnavailableError while no child can start.
        """
        job = Job(self._next_number, content, isolated, on_started, on_settled)
        self._next_number += 1
        if self._failure:
            job.fail(self._failure)
        else:
            self._queue.append(job)
            self._dispatch()
        try:
            return await job.result
        except asyncio.CancelledError:
            self._cancel(job)
            raise

    async def __aenter__(self) -> Self:
        """Starts the children; does not wait until they are ready."""
        for _ in range(self._processes):
            self._create_task(self._supervise()).add_done_callback(self._on_supervisor_done)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the children. Unfinished calls raise ChildDiedError."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._reapers, return_exceptions=True)
        self._fail_all(ChildDiedError(f"the {self._spec.name} was stopped"))

    async def _supervise(self) -> None:
        """Keeps one child running: replaces it when it exits or needs recycling."""
        failed_starts = 0
        predecessor: ChildProcess | None = None
        while True:
            try:
                child = await ChildProcess.start(self._spec, lambda: self._starvation.wall_factor)
            except ChildStarvedError as error:
                self._starvation.record_starved_start(str(error))
                continue
            except ChildUnavailableError as error:
                failed_starts += 1
                unrecoverable = error.permanent or failed_starts > _FAILED_STARTS_ALLOWED
                if unrecoverable and predecessor not in self._accepting:
                    self._fail_all(self._unavailable(f"does not start: {error}"))
                    if error.permanent:
                        return
                await self._wait_before_restart(error, failed_starts)
                continue
            failed_starts = 0
            self._failure = None
            self._starvation.record_start()
            if predecessor:
                self._drain(predecessor)
                self._observer.recycled()
            exited = self._create_task(self._run_child(child))
            recycling = asyncio.create_task(child.needs_recycling.wait())
            try:
                await asyncio.wait({exited, recycling}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                recycling.cancel()
            predecessor = None if exited.done() else child
            if exited.done():
                self._observer.replaced()
                cause, was_idle = exited.result()
                # A crash at a job needs no backoff: the number of the job's attempts is limited.
                await self._wait_before_restart(cause, 1 if was_idle else 0)

    async def _wait_before_restart(self, cause: object, failures: int) -> None:
        backoff_s = (
            min(_FIRST_BACKOFF_S * 2 ** (failures - 1), _LONGEST_BACKOFF_S) if failures else 0.0
        )
        logger.warning(
            "The %s's process %s; it is started again in %g s", self._spec.name, cause, backoff_s
        )
        await asyncio.sleep(backoff_s)

    async def _run_child(self, child: ChildProcess) -> tuple[str, bool]:
        """Serves a child until it exits; returns why, and whether it had started no job."""
        self._accepting.append(child)
        if not self._info.done():
            self._info.set_result(child.info)
        self._dispatch()
        try:
            await self._read_messages(child)
        finally:
            self._drain(child)
            self._draining.discard(child)
            reaper = asyncio.create_task(self._reap(child))
            self._reapers.add(reaper)
            reaper.add_done_callback(self._reapers.discard)
            cause, was_idle = await asyncio.shield(reaper)
        return cause, was_idle

    async def _reap(self, child: ChildProcess) -> tuple[str, bool]:
        cause = await child.shut_down()
        was_idle = not child.jobs_finished and not any(job.started for job in child.jobs.values())
        self._reassign_jobs(child, cause)
        return cause, was_idle

    async def _read_messages(self, child: ChildProcess) -> None:
        while (message := await child.next_message()) is not None:
            match message:
                case JobsStarted(numbers):
                    self._observer.batch_started(len(numbers))
                case JobsFinished():
                    self._observer.batch_finished(message.busy_s)
                    self._breaker.record_success()
                    self._starvation.record_success()
                case _:
                    pass
            if not child.jobs and child in self._draining:
                return
            self._dispatch()

    def _drain(self, child: ChildProcess) -> None:
        """Gives the child no more jobs; it exits after those that it holds."""
        if child in self._accepting:
            self._accepting.remove(child)
            self._draining.add(child)
            if not child.jobs:
                child.close()

    def _reassign_jobs(self, child: ChildProcess, cause: str) -> None:
        """Fails the jobs that an exited child had started and requeues the others."""
        jobs = list(child.jobs.values())
        child.jobs.clear()
        failed = [job for job in jobs if job.started] or (jobs[:1] if child.hung else [])
        if child.starved:
            self._starvation.record_starved_job(cause)
        elif failed:
            self._breaker.record_crash(cause)
        for job in failed:
            job.fail(child.exit_error(cause))
        for job in reversed(jobs):
            if job.result.cancelled() and job not in failed:
                job.on_settled()
            elif job not in failed:
                self._queue.appendleft(job)
        self._dispatch()

    def _dispatch(self) -> None:
        running = sum(len(child.jobs) for child in (*self._accepting, *self._draining))
        for child in self._accepting:
            while (
                self._queue
                and child.has_capacity
                and self._breaker.allows(running)
                and self._starvation.allows(running)
            ):
                child.submit(self._queue.popleft())
                running += 1

    def _cancel(self, job: Job) -> None:
        if job in self._queue:
            self._queue.remove(job)
            job.on_settled()
            return
        for child in (*self._accepting, *self._draining):
            if job.number in child.jobs and not job.started:
                child.cancel(job.number)

    def _fail_all(self, failure: ChildError) -> None:
        self._failure = failure
        if not self._info.done():
            self._info.set_exception(self._failure)
            self._info.exception()  # marks it as retrieved: not every caller waits for readiness
        while self._queue:
            self._queue.popleft().fail(self._failure)

    def _on_supervisor_done(self, supervisor: asyncio.Task[None]) -> None:
        # A bug in the pool: fail the calls, which would wait for ever otherwise.
        if not supervisor.cancelled() and (error := supervisor.exception()):
            self._fail_all(self._unavailable(f"has no supervisor: {error!r}"))

    def _unavailable(self, reason: str) -> ChildUnavailableError:
        return ChildUnavailableError(f"the {self._spec.name} {reason}", permanent=True)

    def _create_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
