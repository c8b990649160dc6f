"""The engine in a process of its own, as the worker uses it.

    async with EngineProcess(settings) as engine:
        outcomes = await engine.recognize([image, image])

Neither a crash nor a hang in the engine, nor its hold on the GIL, reaches the worker.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec

from ocrstream_worker import metrics
from ocrstream_worker.engines import memory
from ocrstream_worker.engines.port import (
    EngineDied,
    EngineError,
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    RgbImage,
)
from ocrstream_worker.engines.wire import (
    Done,
    Failed,
    Ready,
    Start,
    Work,
    encode_frame,
    read_from_engine,
)

logger = logging.getLogger(__name__)

# Two calls at once: while the engine works on one, the next already lies in its memory.
DEPTH = 2
_FAILED_STARTS_ALLOWED = 5
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_STOP_TIMEOUT_S = 5.0


@dataclass(eq=False)
class _Job:
    work: Work
    outcomes: asyncio.Future[list[Outcome]]


@dataclass
class _Life:
    """One child process, from its start to its end."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    jobs_done: int = 0
    # Why we killed it or what it said before it ended; None if it just died.
    cause: str | None = None

    def kill(self, cause: str) -> None:
        self.cause = cause
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def send(self, message: Start | Work) -> None:
        self.writer.write(encode_frame(message))

    async def end(self) -> str:
        """Closes the connection, which ends the process; returns why it ended."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                code = await self.process.wait()
        except TimeoutError:
            self.kill(f"did not stop within {_STOP_TIMEOUT_S:g} s")
            code = await self.process.wait()
        return self.cause or _describe_exit(code)


class EngineProcess:
    """Runs the engine in a child process and starts a new one whenever it dies.

    Made, used and left within one event loop; usable by any number of its tasks.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._slots: list[int] = []
        self._free_slots: asyncio.Queue[int] = asyncio.Queue()
        # In the order in which they were sent, which is the order in which they are done.
        self._jobs: deque[_Job] = deque()
        self._next_number = 0
        self._ready_life: _Life | None = None
        self._info: asyncio.Future[EngineInfo] = asyncio.Future()
        self._failure: EngineError | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        """Whether the engine is warm and works on what it gets."""
        return self._ready_life is not None

    @property
    def pid(self) -> int | None:
        """The process that is ready now, if there is one."""
        return self._ready_life.process.pid if self._ready_life else None

    async def wait_ready(self) -> EngineInfo:
        """Waits for the first warm-up. Raises EngineUnavailable if there is no hope of one."""
        return await asyncio.shield(self._info)

    async def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions] | None = None
    ) -> list[Outcome]:
        """One outcome for each image, in order; waits while DEPTH calls are in the engine.

        `options`: one for each image; without, each has its defaults.

        The images may be changed as soon as this coroutine waits: they are copied. When cancelled,
        the engine still does the work and its result is dropped.

        Raises EngineDied if the engine's process ended or hung while it worked on these images (a
        call that was queued behind them is not harmed, the next process does it), and
        EngineUnavailable if the engine cannot be started any more. MemoryError: the images do not
        fit into memory.
        """
        if not images:
            return []
        slot = await self._free_slots.get()
        if self._failure:
            self._free_slots.put_nowait(slot)
            raise self._failure
        try:
            shapes = memory.write_images(self._slots[slot], images)
        except BaseException:
            self._release(slot)
            raise
        job = _Job(
            Work(self._next_number, slot, shapes, tuple(options or [ReadOptions()] * len(images))),
            asyncio.Future(),
        )
        self._next_number += 1
        self._jobs.append(job)
        if self._ready_life:
            self._ready_life.send(job.work)
            if len(self._jobs) == 1:
                self._watch_first_job()
        return await job.outcomes

    async def __aenter__(self) -> Self:
        """Starts the engine; does not wait until it is ready."""
        self._slots = [memory.open_slot() for _ in range(DEPTH)]
        for slot in range(DEPTH):
            self._free_slots.put_nowait(slot)
        self._supervisor = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the process. Calls still waiting raise EngineDied."""
        if self._supervisor:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        self._give_up(EngineDied("the engine was stopped"))
        for slot in self._slots:
            os.close(slot)

    async def _supervise(self) -> None:
        failed_starts = fruitless_lives = 0
        while True:
            was_ready, jobs_done, cause = await self._live_once()
            failed_starts = 0 if was_ready else failed_starts + 1
            fruitless_lives = 0 if jobs_done else fruitless_lives + 1
            if failed_starts > _FAILED_STARTS_ALLOWED:
                self._give_up(EngineUnavailable(f"the engine does not start: {cause}"))
            if self._failure:
                return
            backoff_s = 0.0
            if fruitless_lives:
                backoff_s = min(_FIRST_BACKOFF_S * 2 ** (fruitless_lives - 1), _LONGEST_BACKOFF_S)
            logger.warning("The engine's process %s; next start in %g s", cause, backoff_s)
            await asyncio.sleep(backoff_s)
            metrics.ENGINE_RESTARTS.inc()

    async def _live_once(self) -> tuple[bool, int, str]:
        """Starts a process and serves it to its end: was it ever ready, jobs done, why it ended."""
        life = await self._start()
        try:
            await self._serve(life)
        except msgspec.DecodeError as error:
            life.kill(f"sent what is no message ({error})")
        finally:
            was_ready = self._ready_life is life
            self._ready_life = None
            self._stop_watching()
            cause = await life.end()
        if was_ready and self._jobs:
            self._fail(self._jobs.popleft(), EngineDied(f"the engine's process {cause}"))
        return was_ready, life.jobs_done, cause

    async def _start(self) -> _Life:
        ours, childs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the working directory must not shadow installed packages
                "-m",
                "ocrstream_worker.engines.child",
                *(str(number) for number in (childs.fileno(), os.getpid(), *self._slots)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,  # some libraries print; their words belong beside the logs
                pass_fds=(childs.fileno(), *self._slots),
                env={**os.environ, **_thread_limits(self._settings.threads)},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            childs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return _Life(process, reader, writer)

    async def _serve(self, life: _Life) -> None:
        life.send(Start(self._settings))
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                message = await read_from_engine(life.reader)
        except TimeoutError:
            life.kill(f"was not ready within {self._settings.start_timeout_s:g} s")
            return
        while message is not None:
            match message:
                case Ready(info):
                    self._on_ready(life, info)
                case Done():
                    self._on_done(life, message)
                case Failed(error, permanent):
                    life.cause = f"failed: {error}"
                    if permanent:
                        self._give_up(EngineUnavailable(error))
            message = await read_from_engine(life.reader)

    def _on_ready(self, life: _Life, info: EngineInfo) -> None:
        self._ready_life = life
        if not self._info.done():
            self._info.set_result(info)
        # What the process before had not begun still lies in its slot.
        for job in self._jobs:
            life.send(job.work)
        self._watch_first_job()

    def _on_done(self, life: _Life, done: Done) -> None:
        job = self._jobs.popleft()
        if done.number != job.work.number:
            self._jobs.appendleft(job)
            life.kill(f"answered work {done.number} instead of {job.work.number}")
            return
        life.jobs_done += 1
        metrics.ENGINE_BUSY_SECONDS.inc(done.busy_s)
        self._release(job.work.slot)
        if not job.outcomes.done():
            job.outcomes.set_result(list(done.outcomes))
        self._watch_first_job()

    def _watch_first_job(self) -> None:
        self._stop_watching()
        if self._jobs and self._ready_life:
            allowed_s = self._settings.image_timeout_s * len(self._jobs[0].work.shapes)
            self._watchdog = asyncio.get_running_loop().call_later(
                allowed_s, self._ready_life.kill, f"gave no result within {allowed_s:g} s"
            )

    def _stop_watching(self) -> None:
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None

    def _give_up(self, failure: EngineError) -> None:
        self._failure = self._failure or failure
        if not self._info.done():
            self._info.set_exception(self._failure)
            self._info.exception()  # marks it as seen: not everybody waits for readiness
        while self._jobs:
            self._fail(self._jobs.popleft(), self._failure)

    def _fail(self, job: _Job, error: EngineError) -> None:
        self._release(job.work.slot)
        if not job.outcomes.done():
            job.outcomes.set_exception(error)

    def _release(self, slot: int) -> None:
        memory.trim(self._slots[slot])
        self._free_slots.put_nowait(slot)


def _thread_limits(threads: int) -> dict[str, str]:
    # Read by OpenMP, BLAS and torch when they are loaded, so it must be in the environment.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
