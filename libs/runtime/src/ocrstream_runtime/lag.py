"""Measures the lag of a consumer group's member, and detects that the member stalls."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.metrics import Family
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout

_INTERVAL_S = 5.0
_TIMEOUT_S = 3.0


class GroupMember(Protocol):
    """A member of a consumer group."""

    @property
    def finished(self) -> int:
        """A number that changes whenever the member finishes a record."""
        ...

    async def next_offsets(self) -> Mapping[TopicPartition, int]:
        """Returns the lowest unfinished offset of each assigned partition."""
        ...


class LagWatch:
    """Measures a member's lag in records, by topic, every few seconds.

    It fetches the end offsets from the broker, so the lag stays correct while the member reads
    nothing. Each member measures its own partitions; the group's lag is the sum of its members'.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        member: GroupMember,
        gauge: Family[Gauge, str],
        topics: tuple[str, ...],
        stalled_after_s: float,
    ) -> None:
        self._kafka = kafka
        self._member = member
        self._gauge = gauge
        self._topics = topics
        self._stalled_after_s = stalled_after_s
        self._lag = 0
        self._finished = -1
        self._progressed_at = time.monotonic()

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
        """Raises NotReadyError if records wait and the member has finished none for too long."""
        self._note_progress()
        stalled_s = time.monotonic() - self._progressed_at
        if stalled_s > self._stalled_after_s:
            raise NotReadyError(
                f"{self._lag} records wait, and none was finished for {stalled_s:.0f} s"
            )

    async def _run_round(self) -> None:
        async with StarvationAwareTimeout(_TIMEOUT_S):
            await self._measure()

    async def _measure(self) -> None:
        next_offsets = await self._member.next_offsets()
        ends = await self._kafka.end_offsets(list(next_offsets)) if next_offsets else {}
        lag = Counter(dict.fromkeys(self._topics, 0))
        for partition, offset in next_offsets.items():
            lag[partition.topic] += max(0, ends[partition] - offset)
        for topic, count in lag.items():
            self._gauge.labels(topic).set(count)
        self._lag = lag.total()
        self._note_progress()

    def _note_progress(self) -> None:
        finished = self._member.finished
        if self._lag == 0 or finished != self._finished:
            self._finished = finished
            self._progressed_at = time.monotonic()
