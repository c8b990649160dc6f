"""Child processes that share jobs: started, replaced when they die or wear out, never missed.

    async with ChildPool(spec, processes=2) as pool:
        answer = await pool.call(b"job")

Neither a crash nor a hang in a child, nor its hold on the GIL, reaches the parent.
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
from ocrstream_sandbox.starvation import Starvation
from ocrstream_sandbox.wire import Begun, Done

logger = logging.getLogger(__name__)
T = TypeVar("T")

_FAILED_STARTS_ALLOWED = 5
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


class ChildPool:
    """`processes` children of one kind.

    Made, used and left within one event loop; usable by any number of its tasks.
    """

    def __init__(
        self, spec: ChildSpec, *, processes: int = 1, observer: PoolObserver | None = None
    ) -> None:
        self._spec = spec
        self._processes = processes
        self._observer = observer or PoolObserver()
        self._next_number = 0
        # What no child has yet, in order.
        self._waiting: deque[Job] = deque()
        # Those that take jobs, and those that only finish what they have.
        self._taking: list[ChildProcess] = []
        self._draining: set[ChildProcess] = set()
        self._info: asyncio.Future[bytes] = asyncio.Future()
        self._failure: ChildError | None = None
        self._breaker = CrashLoopBreaker(
            spec.name, spec.limits.deaths_in_a_row, self._observer, self._hand_out
        )
        self._starvation = Starvation(spec.name, self._observer)
        self._tasks: set[asyncio.Task[Any]] = set()
        # What is never cancelled: each waits for a process that is to end, or ends it.
        self._endings: set[asyncio.Task[tuple[str, bool]]] = set()

    @property
    def ready(self) -> bool:
        """Whether a child is warm and works on what it gets."""
        return bool(self._taking)

    @property
    def pids(self) -> list[int]:
        """The processes that take jobs now."""
        return [child.pid for child in self._taking]

    async def wait_ready(self) -> bytes:
        """The first child's info, once it is warm. Raises ChildUnavailableError if none can be."""
        return await asyncio.shield(self._info)

    async def check(self) -> None:
        """Raises NotReadyError while children die at all jobs, or get too little CPU for any."""
        await self._breaker.check()
        await self._starvation.check()

    async def call(
        self,
        content: bytes,
        *,
        alone: bool = False,
        on_begun: Callable[[], None] = lambda: None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> bytes:
        """The answer to a job. `alone`: it is not done in one go with others.

        `on_begun` is called when a child begins with it, `on_settled` when no child has to do with
        it any more. When cancelled, a job that is not begun is never done, and the result of one
        that is begun is dropped.

        Raises ChildDiedError if the child ended or hung while it worked on this job (a job that
        waits behind it is not harmed), ChildStarvedError if it got too little CPU for it, and
        ChildUnavailableError if no child can be started, until one can.
        """
        job = Job(self._next_number, content, alone, on_begun, on_settled)
        self._next_number += 1
        if self._failure:
            job.fail(self._failure)
        else:
            self._waiting.append(job)
            self._hand_out()
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._drop(job)
            raise

    async def __aenter__(self) -> Self:
        """Starts the children; does not wait until they are ready."""
        for _ in range(self._processes):
            self._begin(self._supervise()).add_done_callback(self._on_unsupervised)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the children. Calls still waiting raise ChildDiedError."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._endings, return_exceptions=True)
        self._give_up(ChildDiedError(f"the {self._spec.name} was stopped"))

    async def _supervise(self) -> None:
        """Keeps one child there: a new one when it dies, and before one that is worn goes."""
        failed_starts = 0
        worn: ChildProcess | None = None
        while True:
            try:
                child = await ChildProcess.start(self._spec, lambda: self._starvation.wall_factor)
            except ChildStarvedError as error:
                self._starvation.starved_at_start(str(error))
                continue
            except ChildUnavailableError as error:
                failed_starts += 1
                hopeless = error.permanent or failed_starts > _FAILED_STARTS_ALLOWED
                if hopeless and worn not in self._taking:
                    self._give_up(self._unavailable(f"does not start: {error}"))
                    if error.permanent:
                        return
                await self._pause(error, failed_starts)
                continue
            failed_starts = 0
            self._failure = None
            self._starvation.started()
            if worn:
                self._drain(worn)
                self._observer.recycled()
            ended = self._begin(self._serve(child))
            wearing = asyncio.create_task(child.needs_recycling.wait())
            try:
                await asyncio.wait({ended, wearing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                wearing.cancel()
            worn = None if ended.done() else child
            if ended.done():
                self._observer.replaced()
                cause, idle = ended.result()
                # Dying at a job is the job's fault, and its attempts have an end.
                await self._pause(cause, 1 if idle else 0)

    async def _pause(self, cause: object, times: int) -> None:
        backoff_s = min(_FIRST_BACKOFF_S * 2 ** (times - 1), _LONGEST_BACKOFF_S) if times else 0.0
        logger.warning("The %s's process %s; next start in %g s", self._spec.name, cause, backoff_s)
        await asyncio.sleep(backoff_s)

    async def _serve(self, child: ChildProcess) -> tuple[str, bool]:
        """To the child's end: why it ended, and whether it did so without having begun anything."""
        self._taking.append(child)
        if not self._info.done():
            self._info.set_result(child.info)
        self._hand_out()
        try:
            await self._listen(child)
        finally:
            self._drain(child)
            self._draining.discard(child)
            ending = asyncio.create_task(self._end(child))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            cause, idle = await asyncio.shield(ending)
        return cause, idle

    async def _end(self, child: ChildProcess) -> tuple[str, bool]:
        cause = await child.end()
        idle = not child.jobs_done and not any(job.begun for job in child.jobs.values())
        self._settle_rest(child, cause)
        return cause, idle

    async def _listen(self, child: ChildProcess) -> None:
        while (message := await child.next_message()) is not None:
            match message:
                case Begun(numbers):
                    self._observer.batch_begun(len(numbers))
                case Done():
                    self._observer.batch_done(message.busy_s)
                    self._breaker.answered()
                    self._starvation.answered()
                case _:
                    pass
            if not child.jobs and child in self._draining:
                return
            self._hand_out()

    def _drain(self, child: ChildProcess) -> None:
        """It gets no more jobs, and ends after those that it has."""
        if child in self._taking:
            self._taking.remove(child)
            self._draining.add(child)
            if not child.jobs:
                child.close()

    def _settle_rest(self, child: ChildProcess, cause: str) -> None:
        """What a dead child had begun has failed; the rest is for the next."""
        jobs = list(child.jobs.values())
        child.jobs.clear()
        lost = [job for job in jobs if job.begun] or (jobs[:1] if child.hung else [])
        if child.starved:
            self._starvation.starved_at_job(cause)
        elif lost:
            self._breaker.died(cause)
        for job in lost:
            job.fail(child.death(cause))
        for job in reversed(jobs):
            if job.answer.cancelled() and job not in lost:
                job.on_settled()
            elif job not in lost:
                self._waiting.appendleft(job)
        self._hand_out()

    def _hand_out(self) -> None:
        in_work = sum(len(child.jobs) for child in (*self._taking, *self._draining))
        for child in self._taking:
            while (
                self._waiting
                and child.has_room
                and self._breaker.admits(in_work)
                and self._starvation.admits(in_work)
            ):
                child.do(self._waiting.popleft())
                in_work += 1

    def _drop(self, job: Job) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
            job.on_settled()
            return
        for child in (*self._taking, *self._draining):
            if job.number in child.jobs and not job.begun:
                child.drop(job.number)

    def _give_up(self, failure: ChildError) -> None:
        self._failure = failure
        if not self._info.done():
            self._info.set_exception(self._failure)
            self._info.exception()  # marks it as seen: not everybody waits for readiness
        while self._waiting:
            self._waiting.popleft().fail(self._failure)

    def _on_unsupervised(self, keeping: asyncio.Task[None]) -> None:
        # A fault of ours: better an end than calls that wait for ever.
        if not keeping.cancelled() and (error := keeping.exception()):
            self._give_up(self._unavailable(f"is not looked after: {error!r}"))

    def _unavailable(self, why: str) -> ChildUnavailableError:
        return ChildUnavailableError(f"the {self._spec.name} {why}", permanent=True)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
