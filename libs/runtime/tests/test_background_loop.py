"""A background loop pauses between its rounds, retries what fails, and stops at once."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.retries import Backoff, RetryHealth

LONG_S = 60.0
SOON_S = 0.01


class Rounds:
    """Does in each round the next of `steps`: raises it, or returns it as the pause.

    After the last step it sets `stop`.
    """

    def __init__(self, *steps: Exception | float | None) -> None:
        self.steps = list(steps)
        self.count = 0
        self.stop = asyncio.Event()
        self.on_round: Callable[[], None] = lambda: None

    async def run_round(self) -> float | None:
        self.count += 1
        self.on_round()
        step = self.steps.pop(0)
        if not self.steps:
            self.stop.set()
        if isinstance(step, Exception):
            raise step
        return step

    async def run(self, **options: Any) -> None:
        options = {"interval_s": SOON_S, "retry_on": (OSError,)} | options
        async with asyncio.timeout(5):
            await BackgroundLoop("count", self.run_round, **options).run(self.stop)


async def test_rounds_follow_each_other_until_the_stop() -> None:
    rounds = Rounds(None, None, None)
    await rounds.run()
    assert rounds.count == 3


async def test_any_of_several_stops_ends_the_loop_and_its_pauses() -> None:
    for number, pause_s in ((0, LONG_S), (1, math.inf), (1, None)):
        rounds, stops = Rounds(pause_s, None), (asyncio.Event(), asyncio.Event())
        loop = BackgroundLoop("count", rounds.run_round, interval_s=LONG_S, retry_on=())
        asyncio.get_running_loop().call_later(SOON_S, stops[number].set)
        async with asyncio.timeout(5):
            await loop.run(*stops)
        assert rounds.count == 1


async def test_no_round_runs_after_a_stop() -> None:
    rounds = Rounds(None)
    rounds.stop.set()
    await rounds.run()
    assert rounds.count == 0


@pytest.mark.parametrize("pause_s", [None, LONG_S, math.inf])
async def test_a_stop_ends_a_pause(pause_s: float | None) -> None:
    rounds = Rounds(pause_s, None)
    asyncio.get_running_loop().call_later(SOON_S, rounds.stop.set)
    await rounds.run(interval_s=LONG_S)
    assert rounds.count == 1


async def test_a_stop_ends_the_pause_after_a_failure() -> None:
    rounds = Rounds(OSError("away"), None)
    asyncio.get_running_loop().call_later(SOON_S, rounds.stop.set)
    await rounds.run(backoff=Backoff(LONG_S))
    assert rounds.count == 1


async def test_a_stop_does_not_cancel_a_round() -> None:
    stop = asyncio.Event()
    finished: list[str] = []

    async def run_round() -> None:
        stop.set()
        await asyncio.sleep(SOON_S)
        finished.append("round")

    await BackgroundLoop("slow", run_round, interval_s=LONG_S, retry_on=()).run(stop)
    assert finished == ["round"]


async def test_a_round_that_returns_0_is_followed_at_once_while_other_tasks_run() -> None:
    rounds = Rounds(*[0.0] * 100)
    others: list[int] = []

    async def other() -> None:
        others.append(rounds.count)

    task = asyncio.create_task(other())
    await rounds.run(interval_s=LONG_S)
    await task
    assert rounds.count == 100
    assert others == [1]


@pytest.mark.parametrize("pause_s", [None, math.inf])
async def test_a_wake_ends_a_pause(pause_s: float | None) -> None:
    wake = asyncio.Event()
    rounds = Rounds(pause_s, None)
    asyncio.get_running_loop().call_later(SOON_S, wake.set)
    await rounds.run(interval_s=LONG_S, wake=wake)
    assert rounds.count == 2


async def test_a_wake_during_a_round_is_not_lost_and_counts_once() -> None:
    wake = asyncio.Event()
    rounds = Rounds(None, None, None)
    rounds.on_round = lambda: wake.set() if rounds.count == 1 else None
    asyncio.get_running_loop().call_later(5 * SOON_S, rounds.stop.set)
    await rounds.run(interval_s=LONG_S, wake=wake)
    assert rounds.count == 2


async def test_a_wake_does_not_end_the_pause_after_a_failure() -> None:
    wake = asyncio.Event()
    rounds = Rounds(OSError("away"), None, None)
    rounds.on_round = wake.set
    asyncio.get_running_loop().call_later(5 * SOON_S, rounds.stop.set)
    await rounds.run(backoff=Backoff(LONG_S), wake=wake)
    assert rounds.count == 1


async def test_pauses_grow_while_rounds_fail_and_begin_anew_after_a_success() -> None:
    away = OSError("away")
    rounds = Rounds(away, OSError("further away"), away, None, away)
    with capture_logs() as logs:
        await rounds.run(backoff=Backoff(0.001, 0.003))
    pauses = [log["retry_in_s"] for log in logs if log["event"] == "background loop fails"]
    assert pauses == [0.001, 0.002, 0.003, 0.001]


async def test_a_failure_that_lasts_is_logged_once_and_so_is_its_end() -> None:
    rounds = Rounds(OSError("away"), OSError("away"), OSError("full"), None, None)
    with capture_logs() as logs:
        await rounds.run(interval_s=0.001)
    assert [(log["event"], log["loop"], log.get("error")) for log in logs] == [
        ("background loop fails", "count", "OSError: away"),
        ("background loop fails", "count", "OSError: full"),
        ("background loop recovered", "count", None),
    ]


async def test_each_failure_is_told_before_the_pause() -> None:
    away, full = OSError("away"), OSError("full")
    rounds = Rounds(away, full, None, None)
    told: list[tuple[int, Exception]] = []

    def on_failure(error: Exception) -> None:
        told.append((rounds.count, error))

    await rounds.run(interval_s=0.001, on_failure=on_failure)
    assert told == [(1, away), (2, full)]


async def test_other_exceptions_end_the_loop() -> None:
    rounds = Rounds(OSError("away"), ValueError("bug"), None)
    with pytest.raises(ValueError, match="bug"):
        await rounds.run(interval_s=0.001)
    assert rounds.count == 2


async def test_the_loop_reports_its_failure_until_a_round_succeeds() -> None:
    health = RetryHealth("counting", Gauge("failing", "Help", registry=CollectorRegistry()))
    rounds = Rounds(OSError("away"), None, None)
    reports: list[str | None] = []

    async def run_round() -> float | None:
        try:
            await health.check()
        except NotReadyError as error:
            reports.append(str(error))
        else:
            reports.append(None)
        return await rounds.run_round()

    loop = BackgroundLoop("count", run_round, interval_s=0.001, retry_on=(OSError,), health=health)
    await loop.run(rounds.stop)
    assert reports == [None, "counting has failed for 0 s: OSError: away", None]


async def test_a_loop_that_ends_reports_no_failure_any_more() -> None:
    gauge = Gauge("failing", "Help", registry=CollectorRegistry())
    health = RetryHealth("counting", gauge)
    rounds = Rounds(OSError("away"))
    await rounds.run(health=health)
    await health.check()
    assert [sample.value for metric in gauge.collect() for sample in metric.samples] == [0]
