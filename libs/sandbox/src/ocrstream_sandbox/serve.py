"""The child's side: takes jobs from its parent, does them, answers.

It ends when the parent does, whatever it is doing at that moment.
"""

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.wire import (
    Begun,
    Done,
    Drop,
    Dropped,
    Failed,
    Ready,
    Start,
    ToParent,
    Work,
    encode_frame,
    printable,
    read_from_parent,
)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_EXIT_FAILED = 70


class StartupFailedError(Exception):
    """The child cannot be started as configured; trying again does not help."""


class JobHandler(Protocol):
    """What a child does."""

    @property
    def info(self) -> bytes:
        """What the parent is told when the child is ready."""
        ...

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        """One answer for each job, in order. What it raises ends the child."""
        ...


def serve(prepare: Callable[[bytes], JobHandler]) -> int:
    """Serves until the parent closes the connection; `prepare` gets its settings, within limits.

    Arguments on the command line: socket's descriptor, parent's process id.
    """
    socket_fd, parent_pid = (int(argument) for argument in sys.argv[1:])
    # The parent decides when to stop: a Ctrl-C or SIGTERM to the whole group must let it drain.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    _die_with(parent_pid)
    with socket.socket(fileno=socket_fd) as connection:
        channel = JobChannel(connection)
        try:
            _work(channel, prepare)
        except StartupFailedError as error:
            channel.send_last(Failed(str(error), permanent=True))
        except Exception as error:  # noqa: BLE001 - the parent logs it and starts a new process
            channel.send_last(Failed(describe(error), permanent=False))
    return _EXIT_FAILED


def describe(error: BaseException) -> str:
    """Type and message, fit for a message or an event."""
    return printable(f"{type(error).__name__}: {error}")


def _work(channel: "JobChannel", prepare: Callable[[bytes], JobHandler]) -> None:
    start = channel.receive_start()
    _limit(start.limits)
    handler = prepare(start.settings)
    channel.send(Ready(handler.info))
    while True:
        batch = channel.take(start.batch_size)
        channel.send(Begun(tuple(work.number for work in batch)))
        begun = time.perf_counter()
        answers = handler.handle([work.job for work in batch])
        busy_s = time.perf_counter() - begun
        numbered = zip((work.number for work in batch), answers, strict=True)
        channel.send(Done(tuple(numbered), busy_s, _resident_bytes()))


class JobChannel:
    """The connection to the parent, and the jobs that came over it and are not begun."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._jobs: deque[Work] = deque()
        self._arrived = threading.Condition()
        self._receiver = threading.Thread(target=self._receive, daemon=True)

    def send(self, message: ToParent) -> None:
        with self._sending:
            self._connection.sendall(encode_frame(message))

    def send_last(self, message: ToParent) -> None:
        """Send, and wait for the parent to close.

        Were this end closed first, a job on its way here would break the parent's end before it
        has read the message.
        """
        self.send(message)
        self._connection.shutdown(socket.SHUT_WR)
        if self._receiver.ident is not None:
            self._receiver.join()

    def receive_start(self) -> Start:
        start = read_from_parent(self._connection)
        if not isinstance(start, Start):
            raise TypeError(f"the first message must be Start, not {start!r}")
        self._receiver.start()
        return start

    def take(self, at_most: int) -> list[Work]:
        """What is there, up to `at_most`; waits only for the first."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._jobs)
            batch = [self._jobs.popleft()]
            while not batch[0].alone and self._jobs and len(batch) < at_most:
                if self._jobs[0].alone:
                    break
                batch.append(self._jobs.popleft())
            return batch

    def _receive(self) -> None:
        while (message := read_from_parent(self._connection)) is not None:
            match message:
                case Work():
                    with self._arrived:
                        self._jobs.append(message)
                        self._arrived.notify()
                case Drop(number):
                    if self._forget(number):
                        self.send(Dropped(number))
                case Start():
                    break
        # Not sys.exit: the main thread may be deep in native code, and nobody waits for its result.
        os._exit(0)

    def _forget(self, number: int) -> bool:
        with self._arrived:
            for job in self._jobs:
                if job.number == number:
                    self._jobs.remove(job)
                    return True
        return False


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the line above.
    if os.getppid() != parent_pid:
        os._exit(0)


def _limit(limits: ChildLimits) -> None:
    # What it is doing may be about a stranger's file: not for the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Of its own data only: the address space also holds libraries and what is merely reserved.
    for kind, most in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
    ):
        if most:
            resource.setrlimit(kind, (most, most))
    if limits.expendable:
        with contextlib.suppress(OSError):  # not Linux
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except FileNotFoundError:  # not Linux: the greatest so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages) * resource.getpagesize()
