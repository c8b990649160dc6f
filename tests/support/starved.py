"""Starves processes: a tree of them gets a small part of one core, as on an overloaded machine.

    with starved(process.pid, share=0.02):
        ...

A control group does so where we may make one. Elsewhere the processes are stopped for most of each
second, which any user may do, and which looks different to them: nothing waits for a core.
"""

import asyncio
import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

_PERIOD_S = 1.0
_QUOTA_PERIOD_US = 100_000
_LEAST_QUOTA_US = 1_000
_DEADLINE_S = 30.0

Means = Callable[[int, float], AbstractContextManager[None]]


def starved(pid: int, share: float = 0.02) -> AbstractContextManager[None]:
    """The process, and all that it has started or starts, together get `share` of one core."""
    means = starved_by_quota if may_make_groups() else starved_by_stops
    return means(pid, share)


def lift_wall_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a StarvationAwareTimeout last while this process itself gets too little CPU."""
    monkeypatch.setattr("ocrstream_runtime.starvation_aware_timeout.WALL_FACTOR", 10_000.0)


def compute(seconds: float) -> None:
    """Keeps this thread running, on whatever core it gets."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def compute_in_turns(seconds: float) -> None:
    """Computes like `compute`, and lets the event loop run its other tasks in between."""
    for _ in range(round(seconds / 0.002)):
        compute(0.002)
        await asyncio.sleep(0)


@contextlib.contextmanager
def starved_by_stops(pid: int, share: float) -> Generator[None]:
    """They are stopped but for `share` of each second, in which each may have a core.

    A stop that others send ends with it.
    """
    over = threading.Event()

    def alternate() -> None:
        while not over.is_set():
            _signal(pid, signal.SIGSTOP)
            over.wait(_PERIOD_S * (1 - share))
            _signal(pid, signal.SIGCONT)
            over.wait(_PERIOD_S * share)

    thread = threading.Thread(target=alternate, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def starved_by_quota(pid: int, share: float) -> Generator[None]:
    """They are in a control group of their own, whose quota is `share` of one core."""
    root = _cpu_groups()
    assert root is not None
    group = root / f"ocrstream-starved-{secrets.token_hex(4)}"
    group.mkdir()
    try:
        quota_us = max(_LEAST_QUOTA_US, int(share * _QUOTA_PERIOD_US))
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota_us} {_QUOTA_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(f"{_QUOTA_PERIOD_US}")
            (group / "cpu.cfs_quota_us").write_text(f"{quota_us}")
        home = _home(root, pid)
        try:
            for member in _tree(pid):
                _move(member.pid, group)
            yield
        finally:
            for member in (group / "cgroup.procs").read_text().split():
                _move(int(member), home)
    finally:
        _remove(group)


def may_make_groups() -> bool:
    """Whether a control group with a quota can be made here."""
    root = _cpu_groups()
    if root is None:
        return False
    probe = root / f"ocrstream-starved-{secrets.token_hex(4)}"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        return any((probe / name).exists() for name in ("cpu.max", "cpu.cfs_quota_us"))
    finally:
        probe.rmdir()


def _cpu_groups() -> Path | None:
    """Where groups of the controller `cpu` are; of version 2, or 1 where that has it."""
    for base in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")):
        with contextlib.suppress(OSError):
            if "cpu" in (base / "cgroup.subtree_control").read_text().split():
                return base
        if (base / "cpu.shares").exists():
            return base
    return None


def _home(root: Path, pid: int) -> Path:
    """The process' group."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(",") or not controllers:
            home = root / path.strip("/")
            if home.exists():
                return home
    return root


def _move(pid: int, group: Path) -> None:
    with contextlib.suppress(ProcessLookupError):
        (group / "cgroup.procs").write_text(f"{pid}")


def _remove(group: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            group.rmdir()
        except OSError:  # something in it is ending
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    # Who looks after others is stopped before them and goes on after them: it sees nothing of it.
    tree = _tree(pid)
    for process in tree if number == signal.SIGSTOP else reversed(tree):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
