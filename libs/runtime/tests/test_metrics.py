import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry, Counter, Gauge

from ocrstream_runtime import lag
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.lag import LagWatch
from ocrstream_runtime.metrics import Family

FIRST, SECOND = TopicPartition("a", 0), TopicPartition("b", 3)


def test_every_series_is_there_from_the_start_and_no_other() -> None:
    registry = CollectorRegistry()
    counter = Counter("things", "Things", ["colour", "size"], registry=registry)
    family = Family[Counter, str, str](counter, ("red", "blue"), ("s", "l"))
    family.labels("red", "l").inc(3)
    found = {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "things_total"
    }
    assert found == {("red", "s"): 0, ("red", "l"): 3, ("blue", "s"): 0, ("blue", "l"): 0}
    with pytest.raises(KeyError):
        family.labels("green", "s")


class Member:
    """A broker's ends of logs, and how far a member of the group is."""

    def __init__(self) -> None:
        self.ends = {FIRST: 10, SECOND: 5}
        self.offsets = {FIRST: 7, SECOND: 5}
        self.finished = 0
        self.away = False
        self.asked = asyncio.Event()

    async def next_offsets(self) -> dict[TopicPartition, int]:
        return self.offsets

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.set()
        if self.away:
            raise KafkaConnectionError
        return {one: self.ends[one] for one in partitions}


class Watched:
    """A watch over a member, measured when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.member = Member()
        self.registry = CollectorRegistry()
        gauge = Gauge("lag", "Lag", ["topic"], registry=self.registry)
        family = Family[Gauge, str](gauge, ("a", "b"))
        kafka: Any = self.member
        self.watch = LagWatch(kafka, self.member, family, ("a", "b"), stalled_after_s=60)
        self.now = 1000.0
        monkeypatch.setattr(lag, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def measure(self) -> dict[str, float | None]:
        stop = asyncio.Event()
        self.member.asked.clear()
        watching = asyncio.create_task(self.watch.run(stop))
        await self.member.asked.wait()
        stop.set()
        await watching
        return {
            topic: self.registry.get_sample_value("lag", {"topic": topic}) for topic in ("a", "b")
        }


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


async def test_lag_is_what_lies_between_the_end_and_what_is_finished(watched: Watched) -> None:
    assert await watched.measure() == {"a": 3, "b": 0}
    watched.member.ends[SECOND] = 9
    assert await watched.measure() == {"a": 3, "b": 4}
    watched.member.offsets = {FIRST: 10}  # the other partition went to another member
    assert await watched.measure() == {"a": 0, "b": 0}


async def test_a_member_that_finishes_nothing_while_records_wait_is_not_ready(
    watched: Watched,
) -> None:
    await watched.measure()
    await watched.watch.check()
    watched.now += 61
    with pytest.raises(NotReadyError, match="3 records wait, and none was finished for 61 s"):
        await watched.watch.check()
    watched.member.finished = 1
    await watched.watch.check()
    watched.now += 61
    watched.member.offsets = dict(watched.member.ends)
    await watched.measure()
    await watched.watch.check()


async def test_a_broker_that_is_away_ends_nothing(watched: Watched) -> None:
    await watched.measure()
    watched.member.away = True
    assert await watched.measure() == {"a": 3, "b": 0}
