"""What starves processes in tests does so, and all of them, and lets go of them."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from not_run import not_run
from starved import Means, may_make_groups, starved_by_quota, starved_by_stops

SPIN = "while True: pass"
PARENT = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SPIN!r}])\n{SPIN}"
SHARE = 0.1
DEADLINE_S = 30.0


@contextlib.contextmanager
def spinning() -> Generator[psutil.Process]:
    """A process that computes for ever, and starts another one that does."""
    with subprocess.Popen([sys.executable, "-c", PARENT]) as parent:
        tree = psutil.Process(parent.pid)
        try:
            yield tree
        finally:
            for process in (*tree.children(), tree):
                process.kill()


def cpu_s(tree: psutil.Process) -> float:
    """What the processes have had."""
    times = [one.cpu_times() for one in (tree, *tree.children())]
    return sum(one.user + one.system for one in times)


def had(tree: psutil.Process, seconds: float) -> float:
    """How long it takes until they had so much more, in seconds."""
    begun, before = time.monotonic(), cpu_s(tree)
    while cpu_s(tree) < before + seconds:
        assert time.monotonic() < begun + DEADLINE_S
        time.sleep(0.01)
    return time.monotonic() - begun


def is_stopped(tree: psutil.Process) -> bool:
    return psutil.STATUS_STOPPED in {one.status() for one in (tree, *tree.children())}


@pytest.mark.parametrize("means", [starved_by_stops, starved_by_quota])
def test_a_starved_tree_gets_little_until_it_is_let_go(means: Means) -> None:
    if means is starved_by_quota and not may_make_groups():
        not_run("starving by a quota", "no control group can be made")
    with spinning() as tree:
        with means(tree.pid, SHARE):
            assert had(tree, 0.2) > 0.5
        assert not is_stopped(tree)
        assert had(tree, 0.2)


@pytest.mark.parametrize("means", [starved_by_stops, starved_by_quota])
def test_a_test_that_fails_gives_the_core_back(means: Means) -> None:
    if means is starved_by_quota and not may_make_groups():
        not_run("starving by a quota", "no control group can be made")

    def fail() -> None:
        while means is starved_by_stops and not is_stopped(tree):
            time.sleep(0.01)
        raise LookupError

    with spinning() as tree:
        group = Path(f"/proc/{tree.pid}/cgroup")
        home = group.read_text(encoding="utf-8")
        with pytest.raises(LookupError), means(tree.pid, SHARE):
            fail()
        assert not is_stopped(tree)
        assert group.read_text(encoding="utf-8") == home
        assert had(tree, 0.2)
