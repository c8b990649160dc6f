"""One child process from its start to its end, and the jobs that it has."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from ocrstream_runtime.watchdog import Expiry, Watchdog
from ocrstream_worker.children.wire import (
    Done,
    Drop,
    Failed,
    Ready,
    Start,
    Work,
    encode_frame,
    read_from_child,
)

_STOP_TIMEOUT_S = 5.0
_MIB = 1024 * 1024


class ChildError(Exception):
    """Base of what can go wrong with a child process."""


class ChildDied(ChildError):
    """The process ended or hung while it did this job, perhaps among others.

    One attempt for each of them: it may have been any of them, or none. `hung`: it gave no answer
    in time.
    """

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class ChildStarved(ChildError):
    """The process was ended while it did this job, because it got too little CPU.

    No attempt: neither the job nor the process is to blame.
    """


class ChildUnavailable(ChildError):
    """The process cannot be started as configured; trying again does not help."""


class StartFailed(Exception):
    """The process ended, or was ended, before it was ready. `starved`: it got too little CPU."""

    def __init__(self, message: str, *, starved: bool = False) -> None:
        super().__init__(message)
        self.starved = starved


@dataclass(frozen=True, kw_only=True)
class ChildLimits:
    """`memory_mib` of data are all that the system gives a child; 0: no limit.

    After `recycle_jobs` jobs, or when it holds more than `recycle_mib`, another one takes over;
    0: never. After `deaths_in_a_row` at jobs, with none done in between, jobs are held.
    """

    memory_mib: int = 0
    recycle_jobs: int = 0
    recycle_mib: int = 0
    deaths_in_a_row: int = 20


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """Which program runs, with what, and within which limits.

    `module` is run by Python and calls `serve`; `settings` is what it gets; `fds` are inherited.
    A child has at most `depth` jobs (None: no limit), the first `batch_size` of them in work. It
    hangs if it works longer than `job_timeout_s` on one, or needs longer than `start_timeout_s` to
    get ready; time in which it waits for a core does not count (see `Watchdog`).
    """

    module: str
    settings: bytes
    fds: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    batch_size: int = 1
    depth: int | None = None
    start_timeout_s: float = 180.0
    job_timeout_s: float = 120.0
    limits: ChildLimits = ChildLimits()


@dataclass(eq=False)
class Job:
    """What a child is to do. `on_begun` is called when it begins, `on_settled` when it is over."""

    number: int
    content: bytes
    alone: bool
    on_begun: Callable[[], None]
    on_settled: Callable[[], None]
    answer: asyncio.Future[bytes] = field(default_factory=asyncio.Future[bytes])
    begun: bool = False

    def settle(self, answer: bytes) -> None:
        """It is done."""
        if not self.answer.done():
            self.answer.set_result(answer)
        self.on_settled()

    def fail(self, error: ChildError) -> None:
        """It will not be done."""
        if not self.answer.done():
            self.answer.set_exception(error)
        self.on_settled()


class Life:
    """A process that is warm, and its jobs: sent, in their order, and not answered."""

    def __init__(
        self,
        spec: ChildSpec,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        wall_factor: Callable[[], float],
    ) -> None:
        self._spec = spec
        self._process = process
        self.reader = reader
        self._writer = writer
        self._wall_factor = wall_factor
        self._watchdog = Watchdog(process.pid, self._on_expired)
        self._ready = False
        # Why we killed it or what it said before it ended; None if it just died.
        self._cause: str | None = None
        self.info = b""
        self.jobs: dict[int, Job] = {}
        self.jobs_done = 0
        self.hung = False
        self.starved = False
        self.worn = asyncio.Event()
        """Set when another should take over."""

    @classmethod
    async def start(cls, spec: ChildSpec, wall_factor: Callable[[], float]) -> Self:
        """A process that is ready. Raises StartFailed and ChildUnavailable.

        It may take `wall_factor` times as long as its limits say when it is starved of CPU.
        """
        try:
            life = cls(spec, *await _spawn(spec), wall_factor)
        except OSError as error:
            raise StartFailed(f"could not be started: {error}") from error
        try:
            life._send(Start(spec.settings, spec.batch_size))
            life._watch(spec.start_timeout_s)
            message = await read_from_child(life.reader)
        except BaseException:
            await life.end()
            raise
        life._watchdog.stop()
        if isinstance(message, Ready):
            life._ready = True
            life.info = message.info
            return life
        if isinstance(message, Failed):
            life._cause = f"failed: {message.error}"
        cause = await life.end()
        if isinstance(message, Failed) and message.permanent:
            raise ChildUnavailable(message.error)
        raise StartFailed(cause, starved=life.starved)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def has_room(self) -> bool:
        """Whether it takes another job."""
        return self._spec.depth is None or len(self.jobs) < self._spec.depth

    def do(self, job: Job) -> None:
        """Give it a job."""
        self.jobs[job.number] = job
        self._send(Work(job.number, job.content, job.alone))
        if len(self.jobs) == 1:
            self._watch_jobs()

    def drop(self, number: int) -> None:
        """Have it forget a job that it has not begun."""
        self._send(Drop(number))

    def on_begun(self, numbers: tuple[int, ...]) -> None:
        """It says what it works on."""
        for number in numbers:
            self.jobs[number].begun = True
            self.jobs[number].on_begun()
        self._watch_jobs()

    def on_done(self, done: Done) -> None:
        """It answers."""
        for number, answer in done.answers:
            self.jobs.pop(number).settle(answer)
            self.jobs_done += 1
        self._watch_jobs()
        limits = self._spec.limits
        if 0 < limits.recycle_jobs <= self.jobs_done:
            self.worn.set()
        if 0 < limits.recycle_mib * _MIB < done.resident_bytes:
            self.worn.set()

    def on_failed(self, error: str) -> None:
        """It says why it ends."""
        self._cause = f"failed: {error}"

    def kill(self, cause: str) -> None:
        """End it at once."""
        self._cause = cause
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """Close the connection, which ends the process whatever it is doing."""
        self._writer.close()

    async def end(self) -> str:
        """Returns when it has ended, with why."""
        self._watchdog.stop()
        self.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                code = await self._process.wait()
        except TimeoutError:
            self.kill(f"did not stop within {_STOP_TIMEOUT_S:g} s")
            code = await self._process.wait()
        return self._cause or _describe_exit(code)

    def _send(self, message: Start | Work | Drop) -> None:
        self._writer.write(encode_frame(message))

    def _watch_jobs(self) -> None:
        """Time runs from the last sign of life; it works on all that it has begun at once."""
        if self.jobs:
            begun = sum(job.begun for job in self.jobs.values())
            self._watch(self._spec.job_timeout_s * max(1, begun))
        else:
            self._watchdog.stop()

    def _watch(self, limit_s: float) -> None:
        self._watchdog.watch(limit_s, limit_s * self._wall_factor())

    def _on_expired(self, expiry: Expiry) -> None:
        self.starved = expiry.starved
        self.hung = not expiry.starved
        cause = "gave no result" if self._ready else "was not ready"
        cause += f" within {expiry.within_s:g} s"
        if expiry.starved:
            cause += f", in which it had {expiry.worked_s:.2g} s to work"
        self.kill(cause)


async def _spawn(
    spec: ChildSpec,
) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader, asyncio.StreamWriter]:
    ours, childs = socket.socketpair()
    try:
        # Before there is a process: cancelled after, it would leave one that nobody waits for.
        reader, writer = await asyncio.open_unix_connection(sock=ours)
    except BaseException:
        ours.close()
        childs.close()
        raise
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory must not shadow installed packages
            "-m",
            spec.module,
            *(
                str(number)
                for number in (childs.fileno(), os.getpid(), spec.limits.memory_mib * _MIB)
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # some libraries print; their words belong beside the logs
            pass_fds=(childs.fileno(), *spec.fds),
            env={**os.environ, **spec.environment},
        )
    except BaseException:
        writer.close()
        raise
    finally:
        childs.close()
    return process, reader, writer


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
