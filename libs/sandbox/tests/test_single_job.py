"""One job in a process of its own: its answer or whose fault it is, and nothing stays."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from odd_pools import odd, odd_spec, until

from ocrstream_sandbox import single_job
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.single_job import run_job


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that are started."""
    real, pids = asyncio.create_subprocess_exec, list[int]()

    async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await real(*arguments, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
    return pids


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_each_job_has_a_process_of_its_own(spawned: list[int]) -> None:
    assert await asyncio.gather(*(run_job(odd_spec(), b"") for _ in range(3))) == [b"1"] * 3
    assert len(set(spawned)) == 3
    assert not any(map(exists, spawned))


@pytest.mark.parametrize(
    ("job", "why", "hung"),
    [(b"segfault", "SIGSEGV", False), (b"raise", "unlucky", False), (b"hang", r"0\.3 s", True)],
)
async def test_a_death_is_the_jobs(spawned: list[int], job: bytes, why: str, hung: bool) -> None:
    with pytest.raises(ChildDiedError, match=why) as caught:
        await run_job(odd_spec(job_timeout_s=0.3), job)
    assert caught.value.hung == hung
    assert not exists(*spawned)


@pytest.mark.parametrize("settings", [b"hopeless", b"broken"])
async def test_no_job_is_to_blame_for_a_start_that_fails(settings: bytes) -> None:
    with pytest.raises(ChildUnavailableError) as caught:
        await run_job(odd_spec(settings), b"")
    assert caught.value.permanent == (settings == b"hopeless")


async def test_want_of_cpu_at_its_start_is_nobodys_fault(
    spawned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_job, "WALL_FACTOR", 1.0)
    running = asyncio.create_task(run_job(odd_spec(start_timeout_s=0.3), b""))
    await until(lambda: bool(spawned))
    os.kill(spawned[0], signal.SIGSTOP)
    with pytest.raises(ChildStarvedError, match="was not ready"):
        await running
    assert not exists(spawned[0])


async def test_want_of_cpu_at_its_job_is_nobodys_fault(
    spawned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_job, "WALL_FACTOR", 1.0)
    with pytest.raises(ChildStarvedError, match="the child's process gave no result"):
        await run_job(odd_spec(job_timeout_s=0.3), b"stop")
    assert not exists(spawned[0])


async def test_cancelled_it_ends_the_child(spawned: list[int]) -> None:
    running = asyncio.create_task(run_job(odd_spec(), b"hang"))
    await until(lambda: bool(spawned))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not exists(spawned[0])


async def test_the_system_keeps_a_child_within_its_limits() -> None:
    limits = ChildLimits(memory_bytes=256 << 20, file_bytes=12_345, expendable=True)
    async with odd(limits=limits) as pool:
        process = Path(f"/proc/{pool.pids[0]}")
        lines = (process / "limits").read_text().splitlines()
        found = {line[:25].strip(): line[25:].split()[:2] for line in lines}
        assert found["Max data size"] == [f"{256 << 20}"] * 2
        assert found["Max file size"] == ["12345"] * 2
        assert found["Max core file size"] == ["0"] * 2
        assert (process / "oom_score_adj").read_text() == "1000\n"
