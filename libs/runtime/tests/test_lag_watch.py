"""The lag of a group's member is measured even by a process that gets little CPU."""

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry, Gauge
from starved import compute_in_turns, lift_wall_limit

from ocrstream_runtime import lag
from ocrstream_runtime.lag import LagWatch
from ocrstream_runtime.metrics import Family

PARTITION = TopicPartition("images", 0)
LIMIT_S = 0.2


class Member:
    finished = 0

    async def next_offsets(self) -> Mapping[TopicPartition, int]:
        return {PARTITION: 3}


class SlowKafka:
    """Answers only after this process has computed for longer than the limit."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self._stop.set()
        await compute_in_turns(2 * LIMIT_S)
        return dict.fromkeys(partitions, 10)


async def test_time_without_cpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "_TIMEOUT_S", LIMIT_S)
    lift_wall_limit(monkeypatch)
    gauge = Gauge("lag", "Help", ["topic"], registry=CollectorRegistry())
    family, stop = Family[Gauge, str](gauge, ("images",)), asyncio.Event()
    kafka = cast("AIOKafkaConsumer", SlowKafka(stop))
    await LagWatch(kafka, Member(), family, ("images",), stalled_after_s=60.0).run(stop)
    assert family.labels("images")._value.get() == 7  # pyright: ignore[reportPrivateUsage]
