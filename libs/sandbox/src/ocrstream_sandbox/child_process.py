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
    HEAD_BYTES,
    Begun,
    Done,
    Drop,
    Dropped,
    Failed,
    Ready,
    Start,
    ToParent,
    Work,
    decode_from_child,
    encode_frame,
    length_of,
)

_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """Which program runs, with what, and within which limits.

    `name` is what it is called in messages: the engine. `module` is run by Python and calls
    `serve`; `settings` is what it gets; `fds` are inherited; `environment` is all that it has of
    one. A child has at most `depth` jobs (None: no limit), the first `batch_size` of them in work.
    It hangs if it works longer than `job_timeout_s` on one, or needs longer than `start_timeout_s`
    to get ready; time in which it waits for a core does not count (see `Watchdog`).
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
    """What a child is to do. `on_begun` is called when it begins, `on_settled` when it is over."""

    number: int
    content: bytes
    alone: bool = False
    on_begun: Callable[[], None] = lambda: None
    on_settled: Callable[[], None] = lambda: None
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


class ChildProcess:
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
        self._reader = reader
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
        self.needs_recycling = asyncio.Event()
        """Set when another should take over."""

    @classmethod
    async def start(cls, spec: ChildSpec, wall_factor: Callable[[], float]) -> Self:
        """A process that is ready. Raises ChildUnavailableError and ChildStarvedError.

        It may take `wall_factor` times as long as its limits say when it is starved of CPU.
        """
        try:
            child = cls(spec, *await _spawn(spec), wall_factor)
        except OSError as error:
            raise ChildUnavailableError(
                f"could not be started: {error}", permanent=False
            ) from error
        try:
            child._send(Start(spec.settings, spec.batch_size, spec.limits))
            child._watch(spec.start_timeout_s)
            message = await read_from_child(child._reader)
        except BaseException:
            await child.end()
            raise
        child._watchdog.stop()
        if isinstance(message, Ready):
            child._ready = True
            child.info = message.info
            return child
        if isinstance(message, Failed):
            child._cause = f"failed: {message.error}"
        cause = await child.end()
        if child.starved:
            raise ChildStarvedError(cause)
        if isinstance(message, Failed) and message.permanent:
            raise ChildUnavailableError(message.error, permanent=True)
        raise ChildUnavailableError(cause, permanent=False)

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

    async def next_message(self) -> ToParent | None:
        """What it says next, once its jobs know of it; None when it has ended, or is to be."""
        try:
            message = await read_from_child(self._reader)
            self._apply(message)
        except (msgspec.DecodeError, KeyError) as error:
            self.kill(f"sent what is no message or answers no job ({error!r})")
            return None
        return message

    def death(self, cause: str) -> ChildDiedError | ChildStarvedError:
        """What its end means to the jobs that it had begun."""
        message = f"the {self._spec.name}'s process {cause}"
        if self.starved:
            return ChildStarvedError(message)
        return ChildDiedError(message, hung=self.hung)

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

    def _apply(self, message: ToParent | None) -> None:
        match message:
            case Begun(numbers):
                for number in numbers:
                    self.jobs[number].begun = True
                    self.jobs[number].on_begun()
                self._watch_jobs()
            case Done():
                for number, answer in message.answers:
                    self.jobs.pop(number).settle(answer)
                    self.jobs_done += 1
                self._watch_jobs()
                limits = self._spec.limits
                if (
                    0 < limits.recycle_jobs <= self.jobs_done
                    or 0 < limits.recycle_bytes < message.resident_bytes
                ):
                    self.needs_recycling.set()
            case Dropped(number):
                self.jobs.pop(number).fail(ChildDiedError("dropped"))
            case Failed(error):
                self._cause = f"failed: {error}"
            case Ready():
                self.kill("said twice that it is ready")
            case None:
                pass

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


async def read_from_child(reader: asyncio.StreamReader) -> ToParent | None:
    """The next message, or None when the child has ended.

    Raises msgspec.DecodeError on what is no message.
    """
    try:
        length = length_of(await reader.readexactly(HEAD_BYTES))
        return decode_from_child(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


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
            *(str(number) for number in (childs.fileno(), os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # some libraries print; their words belong beside the logs
            pass_fds=(childs.fileno(), *spec.fds),
            env=spec.environment,
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
