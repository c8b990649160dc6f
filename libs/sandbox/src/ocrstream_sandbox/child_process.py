"""One child process, from its start to its exit, and the jobs that it holds."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from ocrstream_sandbox.errors import (
    ChildDiedError,
    ChildError,
    ChildStarvedError,
    ChildUnavailableError,
)
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.watchdog import Expiry, Watchdog
from ocrstream_sandbox.wire import (
    HEADER_BYTES,
    CancelJob,
    ChildFailed,
    ChildMessage,
    ChildReady,
    Initialize,
    JobCancelled,
    JobsFinished,
    JobsStarted,
    RunJob,
    body_length,
    decode_from_child,
    encode_frame,
)

_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """The program of a child process, its settings and its limits.

    `name` appears in messages, like `engine`. Python runs `module`, which calls `serve` with
    `settings`. The child inherits `fds`; `environment` is its whole environment. It holds at most
    `depth` jobs (None: any number) and runs up to `batch_size` of them in one batch. It hangs if it
    works longer than `job_timeout_s` on a job, or longer than `start_timeout_s` until it is ready.
    Time in which it waits for a CPU core does not count (see `Watchdog`).
    """

    name: str
    module: str
    settings: bytes = b""
    fds: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    batch_size: int = 1
    depth: int | None = None
    start_timeout_s: float = 180.0
    job_timeout_s: float = 120.0
    limits: ChildLimits = field(default_factory=ChildLimits)


@dataclass(eq=False)
class Job:
    """A job for a child process; `isolated`: the child runs it in a batch of its own.

    The child's owner calls `on_started` when the child starts the job, and `on_settled` when no
    child holds the job any more.
    """

    number: int
    content: bytes
    isolated: bool = False
    on_started: Callable[[], None] = lambda: None
    on_settled: Callable[[], None] = lambda: None
    result: asyncio.Future[bytes] = field(default_factory=asyncio.Future[bytes])
    started: bool = False

    def resolve(self, result: bytes) -> None:
        """Completes the job with its result."""
        if not self.result.done():
            self.result.set_result(result)
        self.on_settled()

    def fail(self, error: ChildError) -> None:
        """Fails the job."""
        if not self.result.done():
            self.result.set_exception(error)
        self.on_settled()


class ChildProcess:
    """A child that is ready, and the jobs it holds: sent in order, without a result yet."""

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
        self._reader = reader
        self._writer = writer
        self._wall_factor = wall_factor
        self._watchdog = Watchdog(process.pid, self._on_timeout)
        self._ready = False
        # Why we killed the child, or the error it reported; None if it exited without either.
        self._cause: str | None = None
        self.info = b""
        self.jobs: dict[int, Job] = {}
        self.jobs_finished = 0
        self.hung = False
        self.starved = False
        self.needs_recycling = asyncio.Event()
        """Set when another child should take over."""

    @classmethod
    async def start(cls, spec: ChildSpec, wall_factor: Callable[[], float]) -> Self:
        """Starts a child and returns it when it is ready.

        A child that is starved of CPU may take `wall_factor()` times its limits. Raises
        ChildUnavailableError and ChildStarvedError.
        """
        try:
            child = cls(spec, *await _spawn(spec), wall_factor)
        except OSError as error:
            raise ChildUnavailableError(
                f"could not be started: {error}", permanent=False
            ) from error
        try:
            child._send(Initialize(spec.settings, spec.batch_size, spec.limits))
            child._watch(spec.start_timeout_s)
            message = await read_from_child(child._reader)
        except BaseException:
            await child.shut_down()
            raise
        child._watchdog.stop()
        if isinstance(message, ChildReady):
            child._ready = True
            child.info = message.info
            return child
        if isinstance(message, ChildFailed):
            child._cause = f"failed: {message.error}"
        cause = await child.shut_down()
        if child.starved:
            raise ChildStarvedError(cause)
        if isinstance(message, ChildFailed) and message.permanent:
            raise ChildUnavailableError(message.error, permanent=True)
        raise ChildUnavailableError(cause, permanent=False)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_capacity(self) -> bool:
        """Whether the child takes another job."""
        return self._spec.depth is None or len(self.jobs) < self._spec.depth

    def submit(self, job: Job) -> None:
        """Sends a job to the child."""
        self.jobs[job.number] = job
        self._send(RunJob(job.number, job.content, job.isolated))
        if len(self.jobs) == 1:
            self._watch_jobs()

    def cancel(self, number: int) -> None:
        """Asks the child to cancel a job that it has not started."""
        self._send(CancelJob(number))

    async def next_message(self) -> ChildMessage | None:
        """Reads the child's next message and updates its jobs.

        Returns None if the child has exited or is being killed.
        """
        try:
            message = await read_from_child(self._reader)
            self._apply(message)
        except (msgspec.DecodeError, KeyError) as error:
            self.kill(f"sent an invalid message or a result of an unknown job ({error!r})")
            return None
        return message

    def exit_error(self, cause: str) -> ChildDiedError | ChildStarvedError:
        """The error of the jobs that the child had started when it exited."""
        message = f"the {self._spec.name}'s process {cause}"
        if self.starved:
            return ChildStarvedError(message)
        return ChildDiedError(message, hung=self.hung)

    def kill(self, cause: str) -> None:
        """Kills the process at once; `cause` explains its exit."""
        self._cause = cause
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """Closes the connection; the process then exits, whatever it is doing."""
        self._writer.close()

    async def shut_down(self) -> str:
        """Waits until the process has exited; returns the cause."""
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
        return self._cause or _exit_description(code)

    def _send(self, message: Initialize | RunJob | CancelJob) -> None:
        self._writer.write(encode_frame(message))

    def _apply(self, message: ChildMessage | None) -> None:
        match message:
            case JobsStarted(numbers):
                for number in numbers:
                    self.jobs[number].started = True
                    self.jobs[number].on_started()
                self._watch_jobs()
            case JobsFinished():
                for number, result in message.results:
                    self.jobs.pop(number).resolve(result)
                    self.jobs_finished += 1
                self._watch_jobs()
                limits = self._spec.limits
                if (
                    0 < limits.recycle_jobs <= self.jobs_finished
                    or 0 < limits.recycle_bytes < message.resident_bytes
                ):
                    self.needs_recycling.set()
            case JobCancelled(number):
                self.jobs.pop(number).fail(ChildDiedError("cancelled"))
            case ChildFailed(error):
                self._cause = f"failed: {error}"
            case ChildReady():
                self.kill("reported twice that it is ready")
            case None:
                pass

    def _watch_jobs(self) -> None:
        """Restarts the timeout at each message; a batch may take as long as its jobs one by one."""
        if self.jobs:
            started = sum(job.started for job in self.jobs.values())
            self._watch(self._spec.job_timeout_s * max(1, started))
        else:
            self._watchdog.stop()

    def _watch(self, limit_s: float) -> None:
        self._watchdog.watch(limit_s, limit_s * self._wall_factor())

    def _on_timeout(self, expiry: Expiry) -> None:
        self.starved = expiry.starved
        self.hung = not expiry.starved
        cause = "gave no result" if self._ready else "was not ready"
        cause += f" within {expiry.within_s:g} s"
        if expiry.starved:
            cause += f", of which it could work for {expiry.worked_s:.2g} s"
        self.kill(cause)


async def read_from_child(reader: asyncio.StreamReader) -> ChildMessage | None:
    """Reads the next message; returns None if the child has exited.

    Raises msgspec.DecodeError for an invalid message.
    """
    try:
        length = body_length(await reader.readexactly(HEADER_BYTES))
        return decode_from_child(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _spawn(
    spec: ChildSpec,
) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader, asyncio.StreamWriter]:
    parent_end, child_end = socket.socketpair()
    try:
        # Connect before the process exists: a cancellation here must leave no process behind.
        reader, writer = await asyncio.open_unix_connection(sock=parent_end)
    except BaseException:
        parent_end.close()
        child_end.close()
        raise
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory must not shadow installed packages
            "-m",
            spec.module,
            *(str(number) for number in (child_end.fileno(), os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # some libraries print; the log is the place for it
            pass_fds=(child_end.fileno(), *spec.fds),
            env=spec.environment,
        )
    except BaseException:
        writer.close()
        raise
    finally:
        child_end.close()
    return process, reader, writer


def _exit_description(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
