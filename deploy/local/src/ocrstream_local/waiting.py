"""Waits for processes as long as they make progress, up to a timeout."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ocrstream_local import processes
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process

Say = Callable[[str], None]

START_TIMEOUT = "OCRSTREAM_START_TIMEOUT_S"
_START_TIMEOUT_S = 1800.0
# A wait without progress ends after this share of the timeout.
_STALL_SHARE = 0.1

_POLL_S = 0.05
# To find the children of a process, psutil reads all processes of the machine.
_MEASURE_INTERVAL_S = 1.0
_REPORT_INTERVAL_S = 10.0

# A process that only waits uses less, even on a busy machine.
_CPU_STEP_S = 0.5
_IO_STEP_BYTES = 1_000_000


def start_timeout_s() -> float:
    """Returns the timeout of each wait. Raises StackError if the setting is not valid."""
    value = os.environ.get(START_TIMEOUT) or _START_TIMEOUT_S
    try:
        timeout_s = float(value)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s < float("inf"):
        raise StackError(f"{START_TIMEOUT}={value} is not a number of seconds above 0")
    return timeout_s


@dataclass(frozen=True)
class Effort:
    """The work that processes, with their children, have done since their start."""

    cpu_s: float
    io_bytes: int
    log_bytes: int

    def differs(self, other: "Effort") -> bool:
        """Returns whether the two differ by more work than a waiting process does."""
        return (
            abs(self.cpu_s - other.cpu_s) >= _CPU_STEP_S
            or abs(self.io_bytes - other.io_bytes) >= _IO_STEP_BYTES
            or self.log_bytes != other.log_bytes
        )


class ProgressTimeout:
    """Expires if a process makes no progress, or takes too long.

    Times are seconds of one monotonic clock; `now_s` is the start.
    """

    def __init__(self, timeout_s: float, now_s: float, effort: Effort) -> None:
        self._timeout_s = timeout_s
        self._stall_timeout_s = timeout_s * _STALL_SHARE
        self._began_s = now_s
        self._progressed_s = now_s
        self._last_effort = effort

    def expired(self, now_s: float, effort: Effort) -> str | None:
        """Returns why the timeout has expired, None if it has not."""
        if effort.differs(self._last_effort):
            self._last_effort, self._progressed_s = effort, now_s
        if now_s - self._began_s >= self._timeout_s:
            return f"within {self._timeout_s:g} s"
        if now_s - self._progressed_s >= self._stall_timeout_s:
            return f"and has stood still for {self._stall_timeout_s:g} s"
        return None


@dataclass(frozen=True)
class Wait:
    """A process, and the condition to wait for.

    `helpers` are processes that work for it, like a database for a client; their work counts, too.
    """

    process: Process
    condition: Callable[[], bool]
    what: str = "ready"
    helpers: tuple[Process, ...] = ()

    def effort(self) -> Effort:
        """Measures the work until now."""
        cpu_s, io_bytes = 0.0, 0
        for process in (self.process, *self.helpers):
            for member in process.tree():
                cpu_s += _cpu_s(member)
                io_bytes += _io_bytes(member)
        log = Path(self.process.log)
        return Effort(cpu_s, io_bytes, log.stat().st_size if log.exists() else 0)

    def output_tail(self) -> str:
        """Returns the end of its output, as part of a message."""
        return processes.log_tail(self.process.log)


@dataclass(frozen=True)
class _Command(Wait):
    """A command to wait for until it ends; its output files are temporary."""

    output: Path = Path(os.devnull)

    def output_tail(self) -> str:
        texts = [processes.last_lines(file) for file in (self.output, Path(self.process.log))]
        return "".join(f" Its output:\n{text}" for text in texts if text)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def _io_bytes(process: psutil.Process) -> int:
    """Returns the bytes that it has read and written; Linux counts most sockets and pipes, too."""
    try:
        counted = process.io_counters()
    # Some systems do not count them, or not for every user.
    except (AttributeError, psutil.Error):
        return 0
    return sum(getattr(counted, name, 0) for name in ("read_chars", "write_chars"))


def silent(_line: str) -> None:
    """Ignores the line."""


def as_ready(
    waits: Iterable[Wait], say: Say, clock: Callable[[], float] = time.monotonic
) -> Iterator[Process]:
    """Yields each process as soon as its condition holds.

    Every few seconds it reports the pending processes and their work. Raises StackError, with the
    end of the log, if a process ends first, makes no progress or takes too long.
    """
    began_s = measured_s = reported_s = clock()
    timeout_s = start_timeout_s()
    pending = {wait: ProgressTimeout(timeout_s, began_s, wait.effort()) for wait in waits}
    while pending:
        for wait in list(pending):
            # Read before the condition, so that work just before the end of the process counts.
            ended = not wait.process.running
            if wait.condition():
                del pending[wait]
                yield wait.process
            elif ended:
                raise StackError(
                    f"{wait.process.name} ended before it was {wait.what}.{wait.output_tail()}"
                )
        now_s = clock()
        if now_s - measured_s >= _MEASURE_INTERVAL_S:
            measured_s = now_s
            efforts = {wait: wait.effort() for wait in pending}
            for wait, timeout in pending.items():
                reason = timeout.expired(now_s, efforts[wait])
                if reason is not None:
                    raise StackError(_describe_timeout(wait, reason, efforts[wait]))
            if efforts and now_s - reported_s >= _REPORT_INTERVAL_S:
                reported_s = now_s
                say(f"Waiting for {_report(efforts)}; {now_s - began_s:.0f} s by now")
        if pending:
            time.sleep(_POLL_S)


def _describe_timeout(wait: Wait, reason: str, effort: Effort) -> str:
    process = wait.process
    return (
        f"{process.name}: not {wait.what} {reason}, with {effort.cpu_s:.1f} s of processor time"
        f" by now. On a machine that is only slow, set {START_TIMEOUT} to more than"
        f" {start_timeout_s():g}.{wait.output_tail()}"
    )


def _report(efforts: Mapping[Wait, Effort]) -> str:
    return ", ".join(
        f"{wait.process.name} to be {wait.what} ({effort.cpu_s:.1f} s of processor time,"
        f" {effort.log_bytes / 1000:.1f} kB of log)"
        for wait, effort in efforts.items()
    )


def wait_until(
    process: Process,
    condition: Callable[[], bool],
    what: str,
    say: Say = silent,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Waits until `condition` holds, like `as_ready` for a single process."""
    for _ in as_ready([Wait(process, condition, what)], say, clock):
        pass


def run(
    name: str,
    command: Sequence[str],
    say: Say = silent,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    folder: Path | None = None,
    stdin: str = "",
    helpers: tuple[Process, ...] = (),
    clock: Callable[[], float] = time.monotonic,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and returns its output, whatever its exit code is.

    Raises StackError, and kills the command, if it does not start, makes no progress or takes too
    long.
    """
    with tempfile.TemporaryDirectory(prefix="ocrstream-") as folder_name:
        source, output, errors = (
            Path(folder_name) / name for name in ("stdin", "stdout", "stderr")
        )
        source.write_text(stdin, encoding="utf-8")
        process = processes.start(
            name,
            command,
            errors,
            environment=environment,
            user=user,
            folder=folder,
            source=source,
            output=output,
        )
        wait = _Command(process, lambda: not process.running, "done", helpers, output)
        try:
            for _ in as_ready([wait], say, clock):
                pass
        finally:
            processes.kill(process)
        return subprocess.CompletedProcess(
            command,
            processes.exit_code(process),
            output.read_text(encoding="utf-8", errors="replace"),
            errors.read_text(encoding="utf-8", errors="replace"),
        )
