"""Processes that outlive the command that started them, known again by pid and time of birth."""

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ocrstream_local.errors import StackError

_POLL_S = 0.05
_KILL_TIMEOUT_S = 10
_LOG_TAIL_LINES = 15
_LOG_TAIL_BYTES = 16_384


# Those that this very process started: it must collect them when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}

# How much a process that yields to others is nicer than they are: it has a tenth of their share of
# a core that all of them want, and all of one that nobody else does.
_YIELDING = 10
# Linux takes a change of a session from a user once in so long.
_SESSION_INTERVAL_S = 0.1
_SESSION_TRIES = 5

_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT = 10_000
_PORTS_TRIED = 100
# Not the module's own generator: a test may have seeded it alike in two processes.
_random = random.SystemRandom()


@dataclass(frozen=True)
class Process:
    """A process of the stack. `born` tells it from a later one with the same pid."""

    name: str
    pid: int
    born: float
    log: str
    port: int | None = None
    stop_signal: int = signal.SIGTERM

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._found() is not None

    @property
    def uptime_s(self) -> float:
        """Seconds since it was started."""
        return max(0.0, time.time() - self.born)

    def ask_to_end(self) -> None:
        """Send the signal that makes it end in good order."""
        found = self._found()
        if found is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.send_signal(self.stop_signal)

    def family(self) -> list[psutil.Process]:
        """The process and all that it started, as long as it runs."""
        found = self._found()
        return [] if found is None else [*found.children(recursive=True), found]

    def _found(self) -> psutil.Process | None:
        _collect()
        try:
            found = psutil.Process(self.pid)
            alive = found.create_time() == self.born and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None


def start(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    folder: Path | None = None,
    port: int | None = None,
    stop_signal: int = signal.SIGTERM,
    source: Path = Path(os.devnull),
    output: Path | None = None,
) -> Process:
    """Start a process in a session of its own, its output appended to `log`.

    It reads `source`. Only its standard error goes to `log` if `output` is where the other goes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as read, log.open("ab") as errors, (output or log).open("ab") as written:
        try:
            started = subprocess.Popen(
                command,
                stdin=read,
                stdout=written,
                stderr=errors,
                env=None if environment is None else {**os.environ, **environment},
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{name} cannot be started: {error}") from error
    _children[started.pid] = started
    return Process(
        name, started.pid, psutil.Process(started.pid).create_time(), str(log), port, stop_signal
    )


def yield_to_others(process: Process) -> None:
    """Give it, its threads and its children the processor when others do not want it."""
    if not process.running:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpriority(os.PRIO_PROCESS, process.pid) < _YIELDING:
            # Its pid is its group's, too, as it leads a session. A process alone would be no more
            # than its first thread.
            os.setpriority(os.PRIO_PGRP, process.pid, _YIELDING)
    # Where Linux shares the processor out between sessions, a process is nice to its own alone,
    # and its session to the others.
    session = Path(f"/proc/{process.pid}/autogroup")
    for _ in range(_SESSION_TRIES if session.exists() else 0):
        try:
            session.write_text(str(_YIELDING))
        except BlockingIOError:
            time.sleep(_SESSION_INTERVAL_S)
        except OSError:
            return
        else:
            return


def stop(processes: Iterable[Process], grace_s: float) -> None:
    """Ask all to end, wait, and kill what is left, children included."""
    families = [(process, process.family()) for process in processes if process.running]
    for process, _ in families:
        process.ask_to_end()
    deadline = time.monotonic() + grace_s
    while any(process.running for process, _ in families) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _kill([one for _, family in families for one in family])


def kill(process: Process) -> None:
    """End a process and its children at once, as a crash would."""
    _kill(process.family())


def _kill(family: list[psutil.Process]) -> None:
    for one in family:
        # psutil compares the time of birth, so that no later process with the same pid is hit.
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=_KILL_TIMEOUT_S)
    _collect()


def _collect() -> None:
    """Take note of children that ended, so that they do not stay as zombies."""
    for child in _children.values():
        child.poll()


def exit_code(process: Process) -> int:
    """What a process that this very process started ends with, once it does."""
    return _children[process.pid].wait()


def log_tail(log: str) -> str:
    """The last lines of a log, as part of a message."""
    path = Path(log)
    lines = last_lines(path) if path.exists() else ""
    return f" The end of {log}:\n{lines}" if lines else f" It wrote nothing to its log ({log})."


def last_lines(file: Path) -> str:
    """The last lines of a file, indented."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - _LOG_TAIL_BYTES))
        lines = content.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines)


def free_port(preferred: int | None = None) -> int:
    """`preferred` if it is free, else any free loopback port.

    The port lies below those that the kernel gives to outgoing connections: one of theirs could
    be taken by a client between this call and the moment when the server listens.
    """
    below = range(_FIRST_PORT, max(_first_outgoing_port(), _FIRST_PORT + _PORTS_TRIED))
    preferences = [] if preferred is None else [preferred]
    for port in preferences + _random.sample(below, _PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StackError(f"None of {_PORTS_TRIED} ports tried on 127.0.0.1 is free")


def _first_outgoing_port() -> int:
    """The first port of the range for outgoing connections: Linux's own, or its default."""
    with contextlib.suppress(OSError):
        return int(_OUTGOING_PORTS.read_text(encoding="ascii").split()[0])
    return 32768
