"""The child's side: takes jobs from the worker, does them, answers.

It ends when the worker does, whatever it is doing at that moment.
"""

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

from ocrstream_worker.children.wire import (
    Begun,
    Done,
    Drop,
    Dropped,
    Failed,
    Ready,
    Start,
    ToWorker,
    Work,
    encode_frame,
    read_from_worker,
)
from ocrstream_worker.image_errors import printable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_EXIT_FAILED = 70


class Hopeless(Exception):
    """The child cannot be started as configured; trying again does not help."""


class Service(Protocol):
    """What a child does."""

    @property
    def info(self) -> bytes:
        """What the worker is told when the child is ready."""
        ...

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        """One answer for each job, in order. What it raises ends the child."""
        ...


def serve(prepare: Callable[[bytes], Service]) -> int:
    """Serves until the worker closes the connection; `prepare` gets its settings.

    Arguments on the command line: socket's descriptor, worker's process id, limit of memory in
    bytes or 0.
    """
    socket_fd, parent_pid, memory_bytes = (int(argument) for argument in sys.argv[1:])
    # The worker decides when to stop: a Ctrl-C or SIGTERM to the whole group must let it drain.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    _die_with(parent_pid)
    _limit(memory_bytes)
    with socket.socket(fileno=socket_fd) as connection:
        line = _Line(connection)
        try:
            _work(line, prepare)
        except Hopeless as error:
            line.send_last(Failed(str(error), permanent=True))
        except Exception as error:  # noqa: BLE001 - the worker logs it and starts a new process
            line.send_last(Failed(describe(error), permanent=False))
    return _EXIT_FAILED


def describe(error: BaseException) -> str:
    """Type and message, fit for an event."""
    return printable(f"{type(error).__name__}: {error}")


def _work(line: "_Line", prepare: Callable[[bytes], Service]) -> None:
    start = line.receive_start()
    service = prepare(start.settings)
    line.send(Ready(service.info))
    while True:
        batch = line.take(start.batch_size)
        line.send(Begun(tuple(work.number for work in batch)))
        begun = time.perf_counter()
        answers = service.handle([work.job for work in batch])
        busy_s = time.perf_counter() - begun
        numbered = zip((work.number for work in batch), answers, strict=True)
        line.send(Done(tuple(numbered), busy_s, _resident_bytes()))


class _Line:
    """The connection to the worker, and the jobs that came over it and are not begun."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._jobs: deque[Work] = deque()
        self._arrived = threading.Condition()
        self._receiver = threading.Thread(target=self._receive, daemon=True)

    def send(self, message: ToWorker) -> None:
        with self._sending:
            self._connection.sendall(encode_frame(message))

    def send_last(self, message: ToWorker) -> None:
        """Send, and wait for the worker to close.

        Were this end closed first, a job on its way here would break the worker's end before it
        has read the message.
        """
        self.send(message)
        self._connection.shutdown(socket.SHUT_WR)
        if self._receiver.ident is not None:
            self._receiver.join()

    def receive_start(self) -> Start:
        start = read_from_worker(self._connection)
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
        while (message := read_from_worker(self._connection)) is not None:
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


def _limit(memory_bytes: int) -> None:
    # What it was doing may be a stranger's file: not for the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        # Of its own data only: the address space also holds libraries and what is merely reserved.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except FileNotFoundError:  # not Linux: the greatest so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages) * resource.getpagesize()
