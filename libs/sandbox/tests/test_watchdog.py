"""How long a process could work: what it ran or slept, not what it waited for a core or stood."""

import asyncio
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_runtime.cpu_use import CpuUse
from ocrstream_sandbox import watchdog as watchdog_module
from ocrstream_sandbox.watchdog import Expiry, Watchdog

TICK_S = 0.25
Doing = Literal["runs", "sleeps", "waits", "stopped"]

times = st.floats(0, 1_000)


@given(ran_s=times, waited_s=times, asleep=st.booleans(), elapsed_s=times)
def test_it_worked_no_longer_than_time_passed(
    ran_s: float, waited_s: float, asleep: bool, elapsed_s: float
) -> None:
    worked_s = CpuUse(ran_s, waited_s, asleep).worked_s(elapsed_s)
    assert 0 <= worked_s <= elapsed_s
    assert worked_s >= min(ran_s, elapsed_s)


class Machine:
    """A thread that does one thing after the other, seen as Linux tells of it."""

    def __init__(self, history: list[tuple[Doing, float]]) -> None:
        self._history = history

    def totals(self, at_s: float) -> tuple[float, float, Doing]:
        """What it ran and, once that is over, waited until then; and what it does."""
        ran_s = waited_s = begun_s = 0.0
        doing: Doing = "sleeps"
        for doing, seconds in self._history:
            if begun_s + seconds > at_s:
                break
            ran_s += seconds if doing == "runs" else 0
            waited_s += seconds if doing == "waits" else 0
            begun_s += seconds
        else:
            return ran_s, waited_s, "sleeps"
        return ran_s + (at_s - begun_s if doing == "runs" else 0), waited_s, doing

    def worked_s(self) -> float:
        """As the watchdog counts it, with a look at each tick."""
        total_s = sum(seconds for _, seconds in self._history)
        worked_s, at_s = 0.0, 0.0
        before = self.totals(0)
        while at_s < total_s:
            at_s += TICK_S
            now = self.totals(at_s)
            use = CpuUse(
                now[0] - before[0],
                now[1] - before[1],
                now[2] == "sleeps" and before[2] != "stopped",
            )
            worked_s += use.worked_s(TICK_S)
            before = now
        return worked_s


doings = st.sampled_from(get_args(Doing))
histories = st.lists(st.tuples(doings, st.floats(0.001, 5)), min_size=1, max_size=30)


@given(histories)
def test_what_it_waits_or_stands_is_never_counted(history: list[tuple[Doing, float]]) -> None:
    """But for the ticks in which it also ended or began."""
    could_s = sum(seconds for doing, seconds in history if doing in ("runs", "sleeps"))
    borders = sum(doing == "stopped" for doing, _ in history)
    assert Machine(history).worked_s() <= could_s + TICK_S * (borders + 1)


@given(st.lists(st.tuples(st.sampled_from(["runs", "sleeps"]), st.floats(0.5, 5)), min_size=1))
def test_all_that_it_could_work_is_counted(history: list[tuple[Doing, float]]) -> None:
    """But for the ticks in which it fell asleep or woke."""
    could_s = sum(seconds for _, seconds in history)
    assert Machine(history).worked_s() >= could_s - TICK_S * len(history)


class Scripted:
    """A meter that gives the same use at every look."""

    def __init__(self, use: CpuUse | None) -> None:
        self._use = use

    def look(self) -> CpuUse | None:
        return self._use


@pytest.mark.parametrize(
    ("use", "expiry"),
    [
        pytest.param(CpuUse(1.0, 0.0, asleep=False), (False, 0.2), id="computes without end"),
        pytest.param(CpuUse(0.0, 0.0, asleep=True), (False, 0.2), id="sleeps without end"),
        pytest.param(CpuUse(0.0, 0.0, asleep=False), (True, 0.6), id="has no core, or is stopped"),
        pytest.param(CpuUse(0.001, 1.0, asleep=False), (True, 0.6), id="gets too little"),
        pytest.param(None, (False, 0.6), id="nobody knows"),
    ],
)
async def test_who_hangs_and_who_is_starved(
    monkeypatch: pytest.MonkeyPatch, use: CpuUse | None, expiry: tuple[bool, float]
) -> None:
    def meter(pid: int) -> Scripted:
        return Scripted(use)

    monkeypatch.setattr(watchdog_module, "CpuMeter", meter)
    told: asyncio.Future[Expiry] = asyncio.get_running_loop().create_future()
    Watchdog(0, told.set_result).watch(limit_s=0.2, wall_limit_s=60.0 if expiry[1] < 0.6 else 0.6)
    found = await told
    assert (found.starved, found.within_s) == expiry
