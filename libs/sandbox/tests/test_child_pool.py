"""Child processes: what comes through them, what their death costs, how one follows another."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from odd_pools import DEADLINE_S, HERE, Counts, begun, odd, odd_spec, until

from ocrstream_runtime.errors import NotReadyError
from ocrstream_sandbox.child_process import ChildProcess
from ocrstream_sandbox.errors import ChildDiedError, ChildUnavailableError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.pool import ChildPool


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def asked(pool: ChildPool, *jobs: bytes, **options: Any) -> list["asyncio.Task[bytes]"]:
    """Calls under way, in this order."""
    calls = [asyncio.create_task(pool.call(job, **options)) for job in jobs]
    await asyncio.sleep(0)
    return calls


async def test_an_idle_child_waits_for_no_batch_and_a_busy_one_fills_it() -> None:
    counts = Counts()
    async with odd(counts=counts, batch_size=4) as pool:
        assert await pool.call(b"") == b"1"
        first = await begun(pool, b"sleep 0.3")
        rest = await asked(pool, *[b""] * 6)
        assert await first == b"1"
        assert await asyncio.gather(*rest) == [b"4", b"4", b"4", b"4", b"2", b"2"]
        assert counts.batches == [1, 1, 4, 2]


async def test_what_wants_to_be_alone_is() -> None:
    async with odd(batch_size=4) as pool:
        first = await begun(pool, b"sleep 0.3")
        calls = await asked(pool, b"", b"")
        calls += await asked(pool, b"", isolated=True)
        calls += await asked(pool, b"", b"")
        await first
        assert await asyncio.gather(*calls) == [b"2", b"2", b"1", b"2", b"2"]


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (b"segfault", "SIGSEGV"),
        (b"kill", "SIGKILL"),
        (b"hang", r"no result within 0\.5 s"),
        (b"raise", "ValueError: unlucky"),
        (b"eat 400", "MemoryError"),
    ],
)
async def test_a_death_costs_only_the_job_in_work(job: bytes, why: str) -> None:
    counts = Counts()
    limits = ChildLimits(memory_bytes=256 << 20)
    async with odd(counts=counts, job_timeout_s=0.5, limits=limits) as pool:
        in_work = await begun(pool, job)
        behind = await asked(pool, b"", b"")
        with pytest.raises(ChildDiedError, match=why) as caught:
            await in_work
        assert caught.value.hung == (job == b"hang")
        assert await asyncio.gather(*behind) == [b"1", b"1"]
        await until(lambda: counts.replacements == 1)


async def test_a_death_costs_the_whole_batch_in_work_and_nothing_behind_it() -> None:
    async with odd(batch_size=3) as pool:
        first = await begun(pool, b"sleep 0.3")
        batch = await asked(pool, b"", b"segfault", b"")
        behind = await asked(pool, b"")
        assert await first
        for call in batch:
            with pytest.raises(ChildDiedError, match="SIGSEGV"):
                await call
        assert await behind[0] == b"1"


async def test_while_one_of_two_hangs_the_other_works() -> None:
    async with odd(processes=2, depth=1, job_timeout_s=60) as pool:
        hanging = await begun(pool, b"hang")
        assert await asyncio.gather(*await asked(pool, *[b""] * 20)) == [b"1"] * 20
        assert not hanging.done()
        hanging.cancel()


async def test_an_idle_death_costs_nothing() -> None:
    async with odd() as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pool.ready and pool.pids != [pid])
        assert await pool.call(b"") == b"1"


async def test_time_in_the_queue_does_not_count_as_a_hang() -> None:
    counts = Counts()
    async with odd(counts=counts, job_timeout_s=1.5) as pool:
        await asyncio.gather(*await asked(pool, *[b"sleep 0.6"] * 4))
    assert counts.replacements == 0
    assert counts.busy_s >= 4 * 0.6


async def test_what_is_cancelled_before_it_begins_is_never_done() -> None:
    settled = list[str]()
    async with odd() as pool:
        (pid,) = pool.pids
        first = await begun(pool, b"sleep 0.3")
        dropped = asyncio.create_task(
            pool.call(b"segfault", on_settled=lambda: settled.append("dropped"))
        )
        await asyncio.sleep(0)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        # The child says so at once, in the middle of its work.
        await until(lambda: settled == ["dropped"])
        assert not first.done()
        assert await first
        assert await pool.call(b"") == b"1"
        assert pool.pids == [pid]


async def test_what_is_cancelled_in_work_is_held_until_it_is_done() -> None:
    settled = asyncio.Event()
    told = asyncio.Event()
    async with odd() as pool:
        call = asyncio.create_task(
            pool.call(b"sleep 0.3", on_started=told.set, on_settled=settled.set)
        )
        await told.wait()
        call.cancel()
        await asyncio.wait({call})
        assert not settled.is_set()
        await settled.wait()
        assert await pool.call(b"") == b"1"


@pytest.mark.parametrize(
    ("limits", "jobs"),
    [
        (ChildLimits(recycle_jobs=5), [b"sleep 0.01"] * 30),
        (ChildLimits(recycle_bytes=200 << 20), [b"eat 60"] * 12),
    ],
    ids=["after jobs", "above MiB"],
)
async def test_a_worn_child_goes_only_when_another_is_warm(
    limits: ChildLimits, jobs: list[bytes]
) -> None:
    counts = Counts()
    seen, gaps = set[int](), list[float]()
    async with odd(counts=counts, limits=limits, batch_size=2) as pool:
        for _ in range(40):
            seen.update(pool.pids)
            if not pool.ready:
                gaps.append(time.monotonic())
            if len(seen) >= 3:
                break
            calls = await asked(pool, *jobs)
            assert len(await asyncio.gather(*calls)) == len(jobs)
        assert len(seen) >= 3
        assert gaps == []
        await until(lambda: sum(map(is_running, seen)) == 1)
    assert counts.recyclings >= 2
    assert counts.replacements == 0


async def test_a_worn_child_whose_successor_cannot_start_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with odd(limits=ChildLimits(recycle_jobs=1)) as pool:
        (pid,) = pool.pids
        monkeypatch.setattr(sys, "executable", "/bin/false")
        failing = list[int]()
        while len(failing) < 20:
            assert await pool.call(b"") == b"1"
            failing.append(1)
        assert pool.pids == [pid]
        monkeypatch.undo()
        await until(lambda: pool.pids not in ([pid], []))
        assert await pool.call(b"") == b"1"


async def test_one_that_cannot_start_says_so() -> None:
    async with odd(settings=b"hopeless") as pool:
        with pytest.raises(ChildUnavailableError, match="no models"):
            await pool.wait_ready()
        with pytest.raises(ChildUnavailableError, match="no models"):
            await pool.call(b"")
        assert not pool.ready


async def test_one_that_never_starts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrstream_sandbox.pool._FIRST_BACKOFF_S", 0.001)
    async with odd(settings=b"broken") as pool:
        with pytest.raises(ChildUnavailableError, match="does not start: failed: RuntimeError"):
            await pool.call(b"")


async def test_a_system_that_has_no_room_for_processes_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ocrstream_sandbox.pool._FIRST_BACKOFF_S", 0.001)
    real, refused = asyncio.create_subprocess_exec, list[int]()

    async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        if len(refused) < 3:
            refused.append(1)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await real(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
    async with odd() as pool:
        assert await pool.call(b"") == b"1"
    assert len(refused) == 3


async def test_a_fault_of_ours_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
    async with odd(settings=b"never") as pool:
        with pytest.raises(ChildUnavailableError, match="a bug"):
            await pool.call(b"")


async def test_leaving_ends_the_processes_and_fails_what_waits() -> None:
    settled = list[int]()
    async with odd(processes=2, depth=1) as pool:
        pids = pool.pids
        calls = [
            asyncio.create_task(pool.call(b"hang", on_settled=lambda: settled.append(1)))
            for _ in range(4)
        ]
        await asyncio.sleep(0)
    assert not any(map(is_running, pids))
    for call in calls:
        with pytest.raises(ChildDiedError):
            await call
    assert len(settled) == 4
    assert not pool.ready


async def test_leaving_waits_for_a_child_that_is_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrstream_sandbox.child_process._STOP_TIMEOUT_S", 0.5)
    async with odd(limits=ChildLimits(recycle_jobs=1)) as pool:
        (pid,) = pool.pids
        assert await pool.call(b"") == b"1"
        # Another takes over, and this one is to end, which it cannot.
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: pool.pids not in ([pid], []))
    assert not is_running(pid)


async def kill(pool: ChildPool, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ChildDiedError):
            await pool.call(b"kill")


async def test_deaths_in_a_row_hold_the_jobs_until_one_is_done() -> None:
    counts = Counts()
    limits = ChildLimits(crash_loop_limit=3)
    async with odd(counts=counts, processes=2, depth=1, limits=limits) as pool:
        await kill(pool, 2)
        await pool.check()
        await kill(pool, 1)
        with pytest.raises(NotReadyError, match=r"died 3 times in a row.*SIGKILL"):
            await pool.check()
        assert counts.is_held

        await until(lambda: len(pool.pids) == 2)
        begun_jobs: list[bytes] = []
        jobs = [b"kill", b"sleep 0.3", b"", b""]
        probe, *rest = [
            asyncio.create_task(pool.call(job, on_started=partial(begun_jobs.append, job)))
            for job in jobs
        ]
        with pytest.raises(ChildDiedError):
            await probe
        # With two children there, but for the hold both would have begun with something.
        assert begun_jobs == [b"kill"]
        assert await asyncio.gather(*rest) == [b"1"] * 3
        assert begun_jobs[1] == b"sleep 0.3"
        await pool.check()
        assert not counts.is_held
        await kill(pool, 2)
        await pool.check()


async def test_deaths_with_a_job_done_in_between_hold_nothing() -> None:
    async with odd(limits=ChildLimits(crash_loop_limit=2)) as pool:
        for _ in range(4):
            await kill(pool, 1)
            assert await pool.call(b"") == b"1"
        await pool.check()


async def test_leaving_before_it_is_ready() -> None:
    async with odd(settings=b"slow"):
        await asyncio.sleep(0)


def test_cancelled_at_any_moment_of_its_start_a_child_is_waited_for() -> None:
    async def cancelled(moment: int) -> None:
        starting = asyncio.create_task(ChildProcess.start(odd_spec(), lambda: 1.0))
        for _ in range(moment):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})

    for moment in range(15):
        asyncio.run(cancelled(moment))
        # One that nobody waited for is warned of, and warnings fail.
        gc.collect()


async def test_ctrl_c_to_the_group_leaves_it_working() -> None:
    async with odd() as pool:
        call = await begun(pool, b"sleep 0.3")
        (pid,) = pool.pids
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        assert await call == b"1"


ORPHAN = """
import asyncio
from odd_pools import odd

async def main():
    async with odd() as pool:
        told = asyncio.Event()
        call = asyncio.create_task(pool.call(b"hang", on_started=told.set))
        await told.wait()
        print(*pool.pids, flush=True)
        await call

asyncio.run(main())
"""


def test_a_child_dies_with_its_worker() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert is_running(pid)
        worker.kill()
    deadline = time.monotonic() + DEADLINE_S
    while is_running(pid):
        assert time.monotonic() < deadline, "the child outlived its worker"
        time.sleep(0.01)
