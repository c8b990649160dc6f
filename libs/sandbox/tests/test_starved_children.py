"""Processes that get too little CPU: they have longer, and their end costs no image an attempt."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from not_run import not_run
from odd_pools import HERE, Counts, begun, odd, until
from starved import may_make_groups, starved_by_quota, starved_by_stops

from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox import starvation
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.pool import ChildPool

Starve = Callable[[int], AbstractContextManager[None]]


@contextlib.contextmanager
def crowded_out(pid: int) -> Generator[None]:
    """Leaves the process what another one that spins on the same core leaves to the idle."""
    core = min(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        os.sched_setaffinity(other.pid, {core})
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
        try:
            yield
        finally:
            other.kill()


@contextlib.contextmanager
def stopped(pid: int) -> Generator[None]:
    """Stops the process for good."""
    os.kill(pid, signal.SIGSTOP)
    yield


def stopped_mostly(pid: int) -> AbstractContextManager[None]:
    """Leaves the process a tenth of each second."""
    return starved_by_stops(pid, 0.1)


def throttled(pid: int) -> AbstractContextManager[None]:
    """Gives the process a quota of a twentieth of a core."""
    if not may_make_groups():
        not_run("a child throttled by a quota", "no control group can be made")
    return starved_by_quota(pid, 0.05)


async def pid_of(pool: ChildPool) -> int:
    """The child that gets the next job, once it is ready."""
    await until(lambda: bool(pool.pids))
    return pool.pids[0]


@pytest.mark.parametrize("starve", [stopped_mostly, crowded_out, throttled])
async def test_a_starved_child_has_longer(starve: Starve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 1_000.0)
    async with odd(job_timeout_s=0.2) as pool:
        pid = await pid_of(pool)
        with starve(pid):
            assert await pool.call(b"spin 0.03") == b"1"
        assert pool.pids == [pid]


async def test_computing_without_end_is_a_hang_on_a_crowded_machine_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 1_000.0)
    async with odd(job_timeout_s=0.2) as pool:
        with starved_by_stops(await pid_of(pool), 0.5), pytest.raises(ChildDiedError) as caught:
            await pool.call(b"spin 3600")
        assert caught.value.hung


@pytest.mark.parametrize("starve", [stopped, crowded_out])
async def test_what_is_ended_for_want_of_cpu_is_no_death_and_others_go_one_by_one(
    starve: Starve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 2.0)
    limits = ChildLimits(crash_loop_limit=1)
    counts = Counts()
    async with odd(processes=2, counts=counts, depth=1, job_timeout_s=0.6, limits=limits) as pool:
        await until(lambda: len(pool.pids) == 2)
        pid = pool.pids[0]
        victim = await begun(pool, b"spin 3600")
        with (
            starve(pid),
            pytest.raises(ChildStarvedError, match=r"within 1\.2 s, of which it could work for"),
        ):
            await victim
        with pytest.raises(NotReadyError, match="got too little CPU and was killed, 1 times"):
            await pool.check()
        assert counts.kills == 1
        await until(lambda: len(pool.pids) == 2)
        in_work: list[bytes] = []
        first, second = (
            asyncio.create_task(pool.call(job, on_started=partial(in_work.append, job)))
            for job in (b"sleep 0.3", b"")
        )
        await first
        # With two children there, but for the hold both would have begun with something.
        assert in_work == [b"sleep 0.3"]
        await second
        await pool.check()
        assert counts.kills == 0


async def test_one_stopped_before_it_begins_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 2.0)
    async with odd(job_timeout_s=0.3) as pool:
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGSTOP)
        assert await asyncio.gather(pool.call(b""), pool.call(b"")) == [b"1", b"1"]
        assert pool.pids != [pid]


async def test_an_answer_that_the_worker_had_no_time_to_read_is_no_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 1.0)
    async with odd(job_timeout_s=0.3) as pool:
        pid = await pid_of(pool)
        call = await begun(pool, b"sleep 0.1")
        time.sleep(0.6)  # noqa: ASYNC251 - this is the worker that is starved
        assert await call == b"1"
        assert pool.pids == [pid]


WORKER = """
import asyncio, sys
from ocrstream_sandbox import starvation
from odd_pools import odd

async def main():
    starvation.WALL_FACTOR = 1_000.0
    async with odd(job_timeout_s=0.5) as pool:
        print("ready", flush=True)
        sys.stdin.readline()
        print(await pool.call(b"doze 20"), flush=True)

asyncio.run(main())
"""


def test_a_worker_that_is_stopped_with_its_child_lays_no_blame() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        with starved_by_stops(worker.pid, 0.05):
            worker.stdin.write("\n")
            worker.stdin.flush()
            assert worker.stdout.readline() == "b'1'\n"


async def test_each_in_a_row_may_take_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "WALL_FACTOR", 1.0)
    counts = Counts()
    async with odd(counts=counts, job_timeout_s=0.2) as pool:
        for times, allowed in ((1, "0.2"), (2, "0.4"), (3, "0.8")):
            call = await begun(pool, b"spin 1")
            os.kill(pool.pids[0], signal.SIGSTOP)
            with pytest.raises(ChildStarvedError, match=f"within {allowed} s"):
                await call
            assert counts.kills == times
        assert await pool.call(b"") == b"1"
        assert counts.kills == 0


async def test_a_starved_start_is_tried_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of starts that fail for another reason six are too many."""
    monkeypatch.setattr(starvation, "WALL_FACTOR", 0.1)
    monkeypatch.setattr(starvation, "_DOUBLINGS_ALLOWED", 0)
    real, spawned = asyncio.create_subprocess_exec, list[int]()

    async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await real(*arguments, **options)
        spawned.append(process.pid)
        if len(spawned) <= 7:
            os.kill(process.pid, signal.SIGSTOP)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
    async with odd(b"late", start_timeout_s=1.0) as pool:
        await until(lambda: len(spawned) == 7)
        with pytest.raises(NotReadyError, match="was not ready within"):
            await pool.check()
        monkeypatch.setattr(starvation, "WALL_FACTOR", 1_000.0)
        assert await pool.call(b"") == b"1"
        await pool.check()
    assert len(spawned) >= 8


async def test_a_start_that_is_starved_has_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.create_subprocess_exec
    async with contextlib.AsyncExitStack() as stack:

        async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
            process = await real(*arguments, **options)
            stack.enter_context(starved_by_stops(process.pid, 0.3))
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
        async with odd(b"spin 0.4", start_timeout_s=1.0) as pool:
            pid = await pid_of(pool)
            assert await pool.call(b"") == b"1"
            assert pool.pids == [pid]
