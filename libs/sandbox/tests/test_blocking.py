"""Children for threads: what they are given and answer, and what remains of them."""

import gc
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from odd_pools import DEADLINE_S, HERE

from ocrstream_sandbox import starvation
from ocrstream_sandbox.blocking import BlockingChildPool
from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.pool import ChildPool


def odd(processes: int = 1, **spec: Any) -> BlockingChildPool:
    path = {"PYTHONPATH": str(HERE)}
    made = ChildSpec(name="child", module="odd_contents", environment=path, **spec)
    return BlockingChildPool(made, processes=processes)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_answer_is_that_of_its_content_whichever_thread_asks() -> None:
    pool = odd(processes=2)
    contents = [os.urandom(number * 997) for number in range(60)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(partial(pool.call, b""), contents))
    assert [content for _, content in answers] == [content[::-1] for content in contents]


def test_a_pool_that_cannot_be_started_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def enter(_: object) -> None:
        raise OSError("no more threads")

    monkeypatch.setattr(ChildPool, "__aenter__", enter)
    with pytest.raises(OSError, match="no more threads"):
        odd().call(b"", b"content")


def test_a_death_costs_its_own_job() -> None:
    pool = odd()
    for _ in range(3):
        with pytest.raises(ChildDiedError, match="SIGKILL"):
            pool.call(b"kill", b"content")
        assert pool.call(b"", b"abc")[1] == b"cba"


@pytest.mark.parametrize("job", [b"claim -1", b"claim 1125899906842624", b"babble"])
def test_an_answer_that_is_none_is_the_childs_fault(job: bytes) -> None:
    pool = odd()
    with pytest.raises(ChildDiedError, match="the child's process sent an invalid result"):
        pool.call(job, b"content")
    assert pool.call(b"", b"abc")[1] == b"cba"


def test_one_that_is_starved_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 1.0)
    pool = odd(job_timeout_s=0.3)
    with pytest.raises(ChildStarvedError):
        pool.call(b"stop", b"content")
    assert pool.call(b"", b"abc")[1] == b"cba"


def test_once_processes_can_be_started_again_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrstream_sandbox.pool._FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = odd()
    with pytest.raises(ChildUnavailableError, match="does not start"):
        pool.call(b"", b"abc")
    monkeypatch.undo()

    def answers() -> bool:
        try:
            return pool.call(b"", b"abc")[1] == b"cba"
        except ChildUnavailableError:
            return False

    until(answers)


def test_nothing_remains_of_a_pool_that_is_gone() -> None:
    open_files = Path("/proc/self/fd")
    before = set(open_files.iterdir())
    pool = odd()
    pid, _ = pool.call(b"", b"abc")
    assert set(open_files.iterdir()) > before
    del pool
    gc.collect()
    until(lambda: not Path(f"/proc/{int(pid)}").exists())
    until(lambda: set(open_files.iterdir()) <= before)
