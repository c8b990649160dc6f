"""Child processes that share jobs: started, replaced when they die or wear out, never missed.

    async with ChildPool("decoder", spec, processes=2) as pool:
        answer = await pool.call(b"job")

Neither a crash nor a hang in a child, nor its hold on the GIL, reaches the worker.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from ocrstream_worker import metrics
from ocrstream_worker.children.death_limit import DeathLimit
from ocrstream_worker.children.life import (
    ChildDied,
    ChildError,
    ChildSpec,
    ChildStarved,
    ChildUnavailable,
    Job,
    Life,
    StartFailed,
)
from ocrstream_worker.children.starvation import Starvation
from ocrstream_worker.children.wire import Begun, Done, Dropped, Failed, Ready, read_from_child

logger = logging.getLogger(__name__)
T = TypeVar("T")

_FAILED_STARTS_ALLOWED = 5
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


class ChildPool:
    """`processes` children of one kind.

    Made, used and left within one event loop; usable by any number of its tasks.
    """

    def __init__(self, kind: metrics.Child, spec: ChildSpec, *, processes: int = 1) -> None:
        self._kind: metrics.Child = kind
        self._spec = spec
        self._processes = processes
        self._next_number = 0
        # What no child has yet, in order.
        self._waiting: deque[Job] = deque()
        # Those that take jobs, and those that only finish what they have.
        self._lives: list[Life] = []
        self._leaving: set[Life] = set()
        self._info: asyncio.Future[bytes] = asyncio.Future()
        self._failure: ChildError | None = None
        self._death_limit = DeathLimit(kind, spec.limits.deaths_in_a_row, self._hand_out)
        self._starvation = Starvation(kind)
        self._tasks: set[asyncio.Task[Any]] = set()
        # What is never cancelled: each waits for a process that is to end, or ends it.
        self._endings: set[asyncio.Task[tuple[str, bool]]] = set()

    @property
    def ready(self) -> bool:
        """Whether a child is warm and works on what it gets."""
        return bool(self._lives)

    @property
    def pids(self) -> list[int]:
        """The processes that take jobs now."""
        return [life.pid for life in self._lives]

    async def wait_ready(self) -> bytes:
        """The first child's info, once it is warm. Raises ChildUnavailable if there is no hope."""
        return await asyncio.shield(self._info)

    async def check_deaths(self) -> None:
        """Raises NotReady while children die at all jobs, or get too little CPU for any."""
        await self._death_limit.check()
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

        Raises ChildDied if the child ended or hung while it worked on this job (a job that waits
        behind it is not harmed), ChildStarved if it got too little CPU for it, and ChildUnavailable
        if no child can be started any more.
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
            self._begin(self._keep_one()).add_done_callback(self._on_unkept)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the children. Calls still waiting raise ChildDied."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._endings, return_exceptions=True)
        self._give_up(ChildDied(f"the {self._kind} was stopped"))

    async def _keep_one(self) -> None:
        """Keeps one child there: a new one when it dies, and before it goes when it is worn."""
        failed_starts = 0
        worn: Life | None = None
        while not self._failure:
            try:
                life = await Life.start(self._spec, lambda: self._starvation.wall_factor)
            except (ChildUnavailable, StartFailed) as error:
                if isinstance(error, StartFailed) and error.starved:
                    self._starvation.starved_at_start(str(error))
                    continue
                failed_starts += 1
                hopeless = isinstance(error, ChildUnavailable)
                if (hopeless or failed_starts > _FAILED_STARTS_ALLOWED) and worn not in self._lives:
                    self._give_up(ChildUnavailable(f"the {self._kind} does not start: {error}"))
                    return
                await self._pause(error, failed_starts)
                continue
            failed_starts = 0
            self._starvation.started()
            if worn:
                self._retire(worn)
                metrics.RECYCLED.labels(self._kind).inc()
            ended = self._begin(self._serve(life))
            wearing = asyncio.create_task(life.worn.wait())
            try:
                await asyncio.wait({ended, wearing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                wearing.cancel()
            worn = None if ended.done() else life
            if ended.done():
                metrics.RESTARTS.labels(self._kind).inc()
                cause, idle = ended.result()
                # Dying at a job is the job's fault, and its attempts have an end.
                await self._pause(cause, 1 if idle else 0)

    async def _pause(self, cause: object, times: int) -> None:
        backoff_s = min(_FIRST_BACKOFF_S * 2 ** (times - 1), _LONGEST_BACKOFF_S) if times else 0.0
        logger.warning("The %s's process %s; next start in %g s", self._kind, cause, backoff_s)
        await asyncio.sleep(backoff_s)

    async def _serve(self, life: Life) -> tuple[str, bool]:
        """To the child's end: why it ended, and whether it did so without having begun anything."""
        self._lives.append(life)
        if not self._info.done():
            self._info.set_result(life.info)
        self._hand_out()
        try:
            await self._listen(life)
        except (msgspec.DecodeError, KeyError) as error:
            life.kill(f"sent what is no message or answers no job ({error!r})")
        finally:
            self._retire(life)
            self._leaving.discard(life)
            ending = asyncio.create_task(self._end(life))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            cause, idle = await asyncio.shield(ending)
        return cause, idle

    async def _end(self, life: Life) -> tuple[str, bool]:
        cause = await life.end()
        idle = not life.jobs_done and not any(job.begun for job in life.jobs.values())
        self._settle_rest(life, cause)
        return cause, idle

    async def _listen(self, life: Life) -> None:
        while (message := await read_from_child(life.reader)) is not None:
            match message:
                case Begun(numbers):
                    metrics.BATCH_IMAGES.labels(self._kind).observe(len(numbers))
                    life.on_begun(numbers)
                case Done():
                    metrics.BUSY_SECONDS.labels(self._kind).inc(message.busy_s)
                    life.on_done(message)
                    self._death_limit.answered()
                    self._starvation.answered()
                case Dropped(number):
                    life.jobs.pop(number).fail(ChildDied("dropped"))
                case Failed(error):
                    life.on_failed(error)
                case Ready():
                    life.kill("said twice that it is ready")
            if not life.jobs and life in self._leaving:
                return
            self._hand_out()

    def _retire(self, life: Life) -> None:
        """It gets no more jobs, and ends after those that it has."""
        if life in self._lives:
            self._lives.remove(life)
            self._leaving.add(life)
            if not life.jobs:
                life.close()

    def _settle_rest(self, life: Life, cause: str) -> None:
        """What a dead child had begun has failed; the rest is for the next."""
        jobs = list(life.jobs.values())
        life.jobs.clear()
        lost = [job for job in jobs if job.begun] or (jobs[:1] if life.hung else [])
        if life.starved:
            self._starvation.starved_at_job(cause)
        elif lost:
            self._death_limit.died(cause)
        message = f"the {self._kind}'s process {cause}"
        for job in lost:
            job.fail(ChildStarved(message) if life.starved else ChildDied(message, hung=life.hung))
        for job in reversed(jobs):
            if job.answer.cancelled() and job not in lost:
                job.on_settled()
            elif job not in lost:
                self._waiting.appendleft(job)
        self._hand_out()

    def _hand_out(self) -> None:
        in_work = sum(len(life.jobs) for life in (*self._lives, *self._leaving))
        for life in self._lives:
            while (
                self._waiting
                and life.has_room
                and self._death_limit.admits(in_work)
                and self._starvation.admits(in_work)
            ):
                life.do(self._waiting.popleft())
                in_work += 1

    def _drop(self, job: Job) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
            job.on_settled()
            return
        for life in (*self._lives, *self._leaving):
            if job.number in life.jobs and not job.begun:
                life.drop(job.number)

    def _give_up(self, failure: ChildError) -> None:
        self._failure = self._failure or failure
        if not self._info.done():
            self._info.set_exception(self._failure)
            self._info.exception()  # marks it as seen: not everybody waits for readiness
        while self._waiting:
            self._waiting.popleft().fail(self._failure)

    def _on_unkept(self, keeping: asyncio.Task[None]) -> None:
        # A fault of ours: better an end than calls that wait for ever.
        if not keeping.cancelled() and (error := keeping.exception()):
            self._give_up(ChildUnavailable(f"the {self._kind} is not looked after: {error!r}"))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
