"""Waits that last as long as what is waited for gets on, up to a bound."""

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
# What stands still is given up after this share of the bound.
_STANDSTILL_SHARE = 0.1

_POLL_S = 0.05
# Finding a process's children means to look at every process of the machine.
_LOOK_INTERVAL_S = 1.0
_REPORT_INTERVAL_S = 10.0

# More than is used, while others have the processor, by a process that only waits for something.
_CPU_STEP_S = 0.5
_IO_STEP_BYTES = 1_000_000


def start_timeout_s() -> float:
    """The longest that one thing is waited for. Raises StackError if the setting is not usable."""
    told = os.environ.get(START_TIMEOUT) or _START_TIMEOUT_S
    try:
        timeout_s = float(told)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s < float("inf"):
        raise StackError(f"{START_TIMEOUT}={told} is not a number of seconds above 0")
    return timeout_s


@dataclass(frozen=True)
class Effort:
    """What processes, with their children, have done since they were started."""

    cpu_s: float
    io_bytes: int
    log_bytes: int

    def differs(self, other: "Effort") -> bool:
        """Whether one of the two is further than the other by more than waiting takes."""
        return (
            abs(self.cpu_s - other.cpu_s) >= _CPU_STEP_S
            or abs(self.io_bytes - other.io_bytes) >= _IO_STEP_BYTES
            or self.log_bytes != other.log_bytes
        )


class Patience:
    """Decides when to give up what has started at `now_s`: if it stands still, or takes too long.

    Times are seconds of one clock that never goes back.
    """

    def __init__(self, timeout_s: float, now_s: float, effort: Effort) -> None:
        self._timeout_s = timeout_s
        self._standstill_s = timeout_s * _STANDSTILL_SHARE
        self._began_s = now_s
        self._moved_s = now_s
        self._mark = effort

    def objection(self, now_s: float, effort: Effort) -> str | None:
        """Why there is no use in waiting on, or None."""
        if effort.differs(self._mark):
            self._mark, self._moved_s = effort, now_s
        if now_s - self._began_s >= self._timeout_s:
            return f"within {self._timeout_s:g} s"
        if now_s - self._moved_s >= self._standstill_s:
            return f"and has stood still for {self._standstill_s:g} s"
        return None


@dataclass(frozen=True)
class Wait:
    """A process, and the condition that it is waited for.

    `helpers` do its work for it, as a database does a client's: what they do counts as its own.
    """

    process: Process
    condition: Callable[[], bool]
    what: str = "ready"
    helpers: tuple[Process, ...] = ()

    def effort(self) -> Effort:
        """What has been done by now."""
        cpu_s, io_bytes = 0.0, 0
        for one in (self.process, *self.helpers):
            for member in one.family():
                cpu_s += _cpu_s(member)
                io_bytes += _io_bytes(member)
        log = Path(self.process.log)
        return Effort(cpu_s, io_bytes, log.stat().st_size if log.exists() else 0)

    def said(self) -> str:
        """Its last words, as part of a message."""
        return processes.log_tail(self.process.log)


@dataclass(frozen=True)
class _Command(Wait):
    """A command that is waited for until it ends; its files are gone after that."""

    output: Path = Path(os.devnull)

    def said(self) -> str:
        texts = [processes.last_lines(file) for file in (self.output, Path(self.process.log))]
        return "".join(f" It said:\n{text}" for text in texts if text)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def _io_bytes(process: psutil.Process) -> int:
    """What it has read and written, sockets and pipes included as far as Linux counts them."""
    try:
        counted = process.io_counters()
    # Not every system counts them, and not for everybody.
    except (AttributeError, psutil.Error):
        return 0
    return sum(getattr(counted, name, 0) for name in ("read_chars", "write_chars"))


def silent(_line: str) -> None:
    """Tells nobody."""


def as_ready(
    waits: Iterable[Wait], say: Say, clock: Callable[[], float] = time.monotonic
) -> Iterator[Process]:
    """Each process as soon as its condition holds, whichever comes first.

    Says every few seconds what is still waited for, and how far that is. Raises StackError, with
    the end of the log, if one ends before, stands still or takes too long.
    """
    began_s = looked_s = told_s = clock()
    timeout_s = start_timeout_s()
    pending = {wait: Patience(timeout_s, began_s, wait.effort()) for wait in waits}
    while pending:
        for wait in list(pending):
            # Asked first: what a process did just before it ended counts.
            ended = not wait.process.running
            if wait.condition():
                del pending[wait]
                yield wait.process
            elif ended:
                raise StackError(
                    f"{wait.process.name} ended before it was {wait.what}.{wait.said()}"
                )
        now_s = clock()
        if now_s - looked_s >= _LOOK_INTERVAL_S:
            looked_s = now_s
            efforts = {wait: wait.effort() for wait in pending}
            for wait, patience in pending.items():
                objection = patience.objection(now_s, efforts[wait])
                if objection is not None:
                    raise StackError(_give_up(wait, objection, efforts[wait]))
            if efforts and now_s - told_s >= _REPORT_INTERVAL_S:
                told_s = now_s
                say(f"Waiting for {_report(efforts)}; {now_s - began_s:.0f} s by now")
        if pending:
            time.sleep(_POLL_S)


def _give_up(wait: Wait, objection: str, effort: Effort) -> str:
    process = wait.process
    return (
        f"{process.name}: not {wait.what} {objection}, with {effort.cpu_s:.1f} s of processor time"
        f" by now. On a machine that is only slow, set {START_TIMEOUT} to more than"
        f" {start_timeout_s():g}.{wait.said()}"
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
    """Wait until `condition` holds, as `as_ready` does for many."""
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
    words: str = "",
    helpers: tuple[Process, ...] = (),
    clock: Callable[[], float] = time.monotonic,
) -> subprocess.CompletedProcess[str]:
    """Run a command, which reads `words`, to its end, whatever its exit code is.

    Raises StackError if it cannot be started, stands still or takes too long; it is ended then.
    """
    with tempfile.TemporaryDirectory(prefix="ocrstream-") as made:
        read, output, errors = (Path(made) / one for one in ("read", "output", "errors"))
        read.write_text(words, encoding="utf-8")
        process = processes.start(
            name,
            command,
            errors,
            environment=environment,
            user=user,
            folder=folder,
            source=read,
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
