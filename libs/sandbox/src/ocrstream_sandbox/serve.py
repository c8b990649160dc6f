"""The child's side: it receives jobs from its parent, runs them and returns their results.

It exits when its parent does, whatever it is doing at that moment.
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

from ocrstream_sandbox.errors import StartupFailedError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.wire import (
    CancelJob,
    ChildFailed,
    ChildMessage,
    ChildReady,
    Initialize,
    JobCancelled,
    JobsFinished,
    JobsStarted,
    RunJob,
    encode_frame,
    printable,
    read_from_parent,
)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_EXIT_FAILED = 70


class JobHandler(Protocol):
    """Runs the jobs of a child."""

    @property
    def info(self) -> bytes:
        """What `ChildPool.wait_ready` returns in the parent."""
        ...

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        """Returns one result for each job, in order. An exception ends the child."""
        ...


def serve(prepare: Callable[[bytes], JobHandler]) -> int:
    """Serves jobs until the parent closes the connection; returns the exit code.

    `prepare` makes the handler from the settings, after the resource limits are set. Arguments on
    the command line: the socket's descriptor, the parent's process id.
    """
    socket_fd, parent_pid = (int(argument) for argument in sys.argv[1:])
    # The parent decides when to stop: it drains even if the whole process group gets the signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    _die_with_parent(parent_pid)
    with socket.socket(fileno=socket_fd) as connection:
        channel = JobChannel(connection)
        try:
            _serve_jobs(channel, prepare)
        except StartupFailedError as error:
            channel.send_last(ChildFailed(str(error), permanent=True))
        except Exception as error:  # noqa: BLE001 - the parent logs it and starts a new process
            channel.send_last(ChildFailed(describe_error(error), permanent=False))
    return _EXIT_FAILED


def describe_error(error: BaseException) -> str:
    """The error's type and message, escaped for a message or an event."""
    return printable(f"{type(error).__name__}: {error}")


def _serve_jobs(channel: "JobChannel", prepare: Callable[[bytes], JobHandler]) -> None:
    initialize = channel.receive_initialize()
    _apply_limits(initialize.limits)
    handler = prepare(initialize.settings)
    channel.send(ChildReady(handler.info))
    while True:
        batch = channel.take_batch(initialize.batch_size)
        channel.send(JobsStarted(tuple(job.number for job in batch)))
        started_at = time.perf_counter()
        results = handler.handle([job.job for job in batch])
        busy_s = time.perf_counter() - started_at
        numbered = zip((job.number for job in batch), results, strict=True)
        channel.send(JobsFinished(tuple(numbered), busy_s, _resident_bytes()))


class JobChannel:
    """The connection to the parent, and the received jobs that are not started."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._send_lock = threading.Lock()
        self._jobs: deque[RunJob] = deque()
        self._job_received = threading.Condition()
        self._receiver = threading.Thread(target=self._receive, daemon=True)

    def send(self, message: ChildMessage) -> None:
        with self._send_lock:
            self._connection.sendall(encode_frame(message))

    def send_last(self, message: ChildMessage) -> None:
        """Sends the last message and waits until the parent closes the connection.

        If this end closed first, a job on its way here would break the connection before the parent
        has read the message.
        """
        self.send(message)
        self._connection.shutdown(socket.SHUT_WR)
        if self._receiver.ident is not None:
            self._receiver.join()

    def receive_initialize(self) -> Initialize:
        initialize = read_from_parent(self._connection)
        if not isinstance(initialize, Initialize):
            raise TypeError(f"the first message must be Initialize, not {initialize!r}")
        self._receiver.start()
        return initialize

    def take_batch(self, max_jobs: int) -> list[RunJob]:
        """Takes up to `max_jobs` queued jobs; blocks until there is one."""
        with self._job_received:
            self._job_received.wait_for(lambda: self._jobs)
            batch = [self._jobs.popleft()]
            while not batch[0].isolated and self._jobs and len(batch) < max_jobs:
                if self._jobs[0].isolated:
                    break
                batch.append(self._jobs.popleft())
            return batch

    def _receive(self) -> None:
        while (message := read_from_parent(self._connection)) is not None:
            match message:
                case RunJob():
                    with self._job_received:
                        self._jobs.append(message)
                        self._job_received.notify()
                case CancelJob(number):
                    if self._remove(number):
                        self.send(JobCancelled(number))
                case Initialize():
                    break
        # Not sys.exit: it would wait for the main thread, which may run native code.
        os._exit(0)

    def _remove(self, number: int) -> bool:
        with self._job_received:
            for job in self._jobs:
                if job.number == number:
                    self._jobs.remove(job)
                    return True
        return False


def _die_with_parent(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have exited before the call above.
    if os.getppid() != parent_pid:
        os._exit(0)


def _apply_limits(limits: ChildLimits) -> None:
    # A core dump would write a user's file to the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA and not RLIMIT_AS: the address space includes libraries and reserved memory.
    for resource_id, limit in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
    ):
        if limit:
            resource.setrlimit(resource_id, (limit, limit))
    if limits.expendable:
        with contextlib.suppress(OSError):  # not Linux
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except FileNotFoundError:  # not Linux: the peak so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages) * resource.getpagesize()
