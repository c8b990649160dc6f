"""Starts processes that outlive the command, and identifies them by pid and creation time."""

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


# The children of this process, which it must reap when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}

# The niceness of a process that yields: it gets a tenth of the others' share of a busy core, and
# all of an idle one.
_NICENESS = 10
# Linux accepts one autogroup change per user in this time.
_AUTOGROUP_INTERVAL_S = 0.1
_AUTOGROUP_TRIES = 5

_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT = 10_000
_PORTS_TRIED = 100
# Not the shared generator, which a test may have seeded alike in two processes.
_random = random.SystemRandom()


@dataclass(frozen=True)
class Process:
    """A process of the stack. `born` distinguishes it from a later one with the same pid."""

    name: str
    pid: int
    born: float
    log: str
    port: int | None = None
    stop_signal: int = signal.SIGTERM

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._found() is not None

    @property
    def uptime_s(self) -> float:
        """The seconds since its start."""
        return max(0.0, time.time() - self.born)

    def terminate(self) -> None:
        """Sends the signal for a graceful shutdown."""
        found = self._found()
        if found is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.send_signal(self.stop_signal)

    def tree(self) -> list[psutil.Process]:
        """Returns the process and its descendants, if it runs."""
        found = self._found()
        return [] if found is None else [*found.children(recursive=True), found]

    def _found(self) -> psutil.Process | None:
        _reap()
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
    """Starts a process in a session of its own, and appends its output to `log`.

    Its standard input is `source`. With `output`, standard output goes there instead.
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
    """Lowers the CPU priority of a process, its threads and its children."""
    if not process.running:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpriority(os.PRIO_PROCESS, process.pid) < _NICENESS:
            # The process leads a session, so its pid is its process group's. PRIO_PROCESS would
            # affect only the first thread.
            os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)
    # With autogroups Linux schedules sessions, and niceness applies only within a session, so the
    # autogroup gets the niceness, too.
    session = Path(f"/proc/{process.pid}/autogroup")
    for _ in range(_AUTOGROUP_TRIES if session.exists() else 0):
        try:
            session.write_text(str(_NICENESS))
        except BlockingIOError:
            time.sleep(_AUTOGROUP_INTERVAL_S)
        except OSError:
            return
        else:
            return


def stop(processes: Iterable[Process], grace_s: float) -> None:
    """Terminates the processes, waits up to `grace_s`, and kills the rest with their children."""
    trees = [(process, process.tree()) for process in processes if process.running]
    for process, _ in trees:
        process.terminate()
    deadline = time.monotonic() + grace_s
    while any(process.running for process, _ in trees) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _kill([one for _, tree in trees for one in tree])


def kill(process: Process) -> None:
    """Kills a process and its children, like a crash."""
    _kill(process.tree())


def _kill(tree: list[psutil.Process]) -> None:
    for one in tree:
        # psutil compares creation times, so it never kills a later process with the same pid.
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(tree, timeout=_KILL_TIMEOUT_S)
    _reap()


def _reap() -> None:
    """Reaps children that ended, so that they do not remain as zombies."""
    for child in _children.values():
        child.poll()


def exit_code(process: Process) -> int:
    """Waits for a child of this process and returns its exit code."""
    return _children[process.pid].wait()


def log_tail(log: str) -> str:
    """Returns the last lines of a log, as part of a message."""
    path = Path(log)
    lines = last_lines(path) if path.exists() else ""
    return f" The end of {log}:\n{lines}" if lines else f" It wrote nothing to its log ({log})."


def last_lines(file: Path) -> str:
    """Returns the last lines of a file, indented."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - _LOG_TAIL_BYTES))
        lines = content.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines)


def free_port(preferred: int | None = None) -> int:
    """Returns `preferred` if it is free, else another free loopback port.

    The port lies below the kernel's range for outgoing connections, because a client could take a
    port of that range before the server listens.
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
    raise StackError(f"None of the {_PORTS_TRIED} tried ports on 127.0.0.1 is free")


def _first_outgoing_port() -> int:
    """Returns the first port for outgoing connections: Linux's setting, or its default."""
    with contextlib.suppress(OSError):
        return int(_OUTGOING_PORTS.read_text(encoding="ascii").split()[0])
    return 32768
