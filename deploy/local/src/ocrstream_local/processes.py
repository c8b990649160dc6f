"""Processes that outlive the command that started them, known again by pid and time of birth."""

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    yields: bool = False,
) -> Process:
    """Start a process in a session of its own, its output appended to `log`.

    One that `yields` has the processor when others do not want it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
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
    if yields:
        _yield_to_others(started.pid)
    return Process(
        name, started.pid, psutil.Process(started.pid).create_time(), str(log), port, stop_signal
    )


def _yield_to_others(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.nice(max(process.nice(), _YIELDING))
    # Where Linux shares the processor out between sessions, a process is nice to its own alone,
    # and its session to the others.
    session = Path(f"/proc/{pid}/autogroup")
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
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def wait_until(
    process: Process, condition: Callable[[], bool], timeout_s: float, what: str
) -> None:
    """Wait until `condition` holds.

    Raises StackError with the end of the log if the process ends before, or if it takes too long.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        # Asked first: what a process did just before it ended counts.
        ended = not process.running
        if condition():
            return
        if ended:
            raise StackError(f"{process.name} ended before {what}.{log_tail(process.log)}")
        if time.monotonic() > deadline:
            raise StackError(
                f"{process.name}: not {what} within {timeout_s:g} s.{log_tail(process.log)}"
            )
        time.sleep(_POLL_S)


def log_tail(log: str) -> str:
    """The last lines of a log, as part of a message."""
    path = Path(log)
    if not path.exists():
        return f" It wrote no log ({log})."
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return f" The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)


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
