"""How far a consumer is behind, and whether it moves."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.health import NotReady
from ocrstream_runtime.metrics import Family

_INTERVAL_S = 5.0
_TIMEOUT_S = 3.0


class Reader(Protocol):
    """What is watched: a member of a consumer group."""

    @property
    def finished(self) -> int:
        """A number that changes whenever a record is finished."""
        ...

    async def next_offsets(self) -> Mapping[TopicPartition, int]:
        """Of each partition that it has, the lowest offset that is not finished."""
        ...


class LagWatch:
    """Sets the lag in records, by topic, every few seconds.

    It asks the broker where each log ends, so it stays right when nothing is read any more. Each
    member tells of its own partitions; the group's lag is the sum over its members.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        reader: Reader,
        gauge: Family[Gauge, str],
        topics: tuple[str, ...],
        stalled_after_s: float,
    ) -> None:
        self._kafka = kafka
        self._reader = reader
        self._gauge = gauge
        self._topics = topics
        self._stalled_after_s = stalled_after_s
        self._lag = 0
        self._finished = -1
        self._moved_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Measures the lag every few seconds until `stop` is set."""
        loop = BackgroundLoop(
            "consumer lag",
            self._run_round,
            interval_s=_INTERVAL_S,
            retry_on=(KafkaError, TimeoutError),
        )
        await loop.run(stop)

    async def check(self) -> None:
        """Raises NotReady if records wait and none was finished for too long."""
        self._note_progress()
        still_s = time.monotonic() - self._moved_at
        if still_s > self._stalled_after_s:
            raise NotReady(f"{self._lag} records wait, and none was finished for {still_s:.0f} s")

    async def _run_round(self) -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            await self._measure()

    async def _measure(self) -> None:
        wanted = await self._reader.next_offsets()
        ends = await self._kafka.end_offsets(list(wanted)) if wanted else {}
        lag = Counter(dict.fromkeys(self._topics, 0))
        for partition, offset in wanted.items():
            lag[partition.topic] += max(0, ends[partition] - offset)
        for topic, count in lag.items():
            self._gauge.labels(topic).set(count)
        self._lag = lag.total()
        self._note_progress()

    def _note_progress(self) -> None:
        finished = self._reader.finished
        if self._lag == 0 or finished != self._finished:
            self._finished = finished
            self._moved_at = time.monotonic()
