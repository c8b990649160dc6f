"""How long others may take counts what they kept us waiting, not what we had no core for."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from not_run import not_run
from starved import (
    compute_in_turns,
    lift_wall_limit,
    may_make_groups,
    starved_by_quota,
    starved_by_stops,
)

from ocrstream_runtime import starvation_aware_timeout as timeout_module
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout

LIMIT_S = 0.3


async def test_it_ends_where_nothing_comes() -> None:
    timeout = StarvationAwareTimeout(LIMIT_S)
    with pytest.raises(TimeoutError):
        async with timeout:
            await asyncio.Event().wait()
    assert timeout.spent_s >= LIMIT_S


async def test_what_we_compute_ourselves_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lift_wall_limit(monkeypatch)
    async with StarvationAwareTimeout(LIMIT_S) as timeout:
        await compute_in_turns(2 * LIMIT_S)
    assert timeout.spent_s < LIMIT_S


async def test_of_a_loop_that_is_held_up_a_part_counts_and_what_came_meanwhile_is_read() -> None:
    async with StarvationAwareTimeout(LIMIT_S) as timeout:
        time.sleep(2 * LIMIT_S)  # noqa: ASYNC251 - as if the process were stopped
        await asyncio.sleep(0.001)
    assert 0 < timeout.spent_s < LIMIT_S


async def test_it_has_an_end_whatever_we_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeout_module, "WALL_FACTOR", 1.0)
    with pytest.raises(TimeoutError):
        async with StarvationAwareTimeout(LIMIT_S):
            await compute_in_turns(10 * LIMIT_S)


async def test_a_restart_grants_the_whole_timeout_again() -> None:
    async with StarvationAwareTimeout(LIMIT_S) as timeout:
        for _ in range(4):
            await asyncio.sleep(LIMIT_S / 2)
            timeout.restart()
        assert timeout.spent_s == 0

    async def wait_after_a_restart() -> None:
        async with StarvationAwareTimeout(LIMIT_S) as timeout:
            timeout.restart()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait_after_a_restart()


async def test_a_restart_does_not_undo_an_expiry() -> None:
    async def restart_when_expired() -> None:
        async with StarvationAwareTimeout(0) as timeout:
            try:
                await asyncio.Event().wait()
            finally:
                timeout.restart()

    with pytest.raises(TimeoutError):
        await restart_when_expired()


async def test_a_cancel_from_elsewhere_stays_one() -> None:
    async def wait() -> None:
        async with StarvationAwareTimeout(LIMIT_S):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


WAITING = f"""
import asyncio, sys
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
from starved import compute_in_turns

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with StarvationAwareTimeout({2 * LIMIT_S}):
        await compute_in_turns({LIMIT_S} / 3)
    print("done", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("starve", [starved_by_stops, starved_by_quota])
def test_a_starved_process_has_longer(
    starve: Callable[[int, float], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if starve is starved_by_quota and not may_make_groups():
        not_run("a wait throttled by a quota", "no control group can be made")
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with starve(process.pid, 0.1):
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
