"""How polls are read while one is written: as a member of the group, and how many at once."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from real_servers import Broker

from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.recording.consumer import Consumer
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll_writer import Poll, PollWriter
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.lifecycle import is_set_within
from ocrstream_runtime.topics import find_cluster
from ocrstream_schemas.topics import IMAGES_SUBMITTED

pytestmark = pytest.mark.integration

MAX_POLL_INTERVAL_S = 2.0


class HeldRecording:
    """Writes nothing until it is `released`; the next poll may begin at once if it is `fenced`."""

    def __init__(self, poll_records: int = 1000, *, fenced: bool = False) -> None:
        self.size = TransactionSize(poll_records, 30.0)
        self.release_requested = asyncio.Event()
        self.writing = asyncio.Event()
        self.writing_two = asyncio.Event()
        self._fenced = fenced
        self._writes = 0
        self.prepared: list[int] = []
        self.released = asyncio.Event()

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        return dict(if_unknown)

    async def dead_letters_before(
        self, nexts: Mapping[Partition, int], _: int
    ) -> dict[Partition, set[int]]:
        return {partition: set() for partition in nexts}

    async def prepare(self, records: list[RawRecord]) -> Poll:
        self.prepared.append(len(records))
        nexts = {(one.topic, one.partition): one.offset + 1 for one in records}
        return Poll([], cast("Any", None), nexts)

    async def record(
        self, poll: Poll, _: Mapping[Partition, int], on_fenced: Callable[[], None]
    ) -> dict[Partition, int]:
        self._writes += 1
        (self.writing if self._writes == 1 else self.writing_two).set()
        if self._fenced:
            on_fenced()
        await self.released.wait()
        self._writes -= 1
        on_fenced()
        return poll.next_offsets


def new_consumer(bootstrap: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"recorder-{secrets.token_hex(4)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        heartbeat_interval_ms=200,
        max_poll_interval_ms=int(MAX_POLL_INTERVAL_S * 1000),
    )


@asynccontextmanager
async def member(
    bootstrap: str, recording: HeldRecording, stop: asyncio.Event
) -> AsyncGenerator[tuple[Consumer, AIOKafkaConsumer]]:
    kafka = new_consumer(bootstrap)
    async with Cluster(bootstrap, await find_cluster(bootstrap)) as cluster:
        yield (
            Consumer(
                kafka, cluster, cast("PollWriter", recording), DeadLetterBreaker(100), stop=stop
            ),
            kafka,
        )


async def test_a_write_longer_than_the_poll_interval_keeps_the_membership(
    kafka_bootstrap: str,
) -> None:
    recording, stop = HeldRecording(), asyncio.Event()
    async with member(kafka_bootstrap, recording, stop) as (consumer, kafka):
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
            running = asyncio.create_task(consumer.run())
            await recording.writing.wait()
            # What comes next is not read before that is written.
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
        try:
            # A member that leaves is told so, and lets go of what it writes.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(recording.release_requested.wait(), 3 * MAX_POLL_INTERVAL_S)
            assert kafka.assignment()
        finally:
            recording.released.set()
            stop.set()
            await running


@pytest.mark.parametrize("much_waits", [True, False])
async def test_two_polls_are_written_at_once_only_while_much_waits(
    module_broker: Broker, much_waits: bool
) -> None:
    recording, stop = HeldRecording(4 if much_waits else 1000, fenced=True), asyncio.Event()
    bootstrap = module_broker.bootstrap
    async with member(bootstrap, recording, stop) as (consumer, _):
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            running = asyncio.create_task(consumer.run())
            for _ in range(2):
                await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
                await recording.writing.wait()
        try:
            second = asyncio.wait_for(recording.writing_two.wait(), MAX_POLL_INTERVAL_S)
            if much_waits:
                await second
            else:
                with pytest.raises(TimeoutError):
                    await second
        finally:
            recording.released.set()
            stop.set()
            await running


async def test_no_more_is_read_at_once_than_may_be_written(module_broker: Broker) -> None:
    recording, stop = HeldRecording(), asyncio.Event()
    recording.released.set()
    recording.size.failed(6)
    async with AIOKafkaProducer(bootstrap_servers=module_broker.bootstrap) as producer:
        for _ in range(10):
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
    async with member(module_broker.bootstrap, recording, stop) as (consumer, _):
        running = asyncio.create_task(consumer.run())
        async with asyncio.timeout(60):
            while sum(recording.prepared) < 10:
                await is_set_within(stop, 0.05)
        stop.set()
        await running
    assert max(recording.prepared) == 3
