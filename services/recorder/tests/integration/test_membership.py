"""How polls are read while one is written: as a member of the group, and how many at once."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
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
from ocrstream_recorder.recording.poll import Poll
from ocrstream_recorder.recording.poll_write import WrittenPoll
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.lifecycle import wait_for_event
from ocrstream_runtime.topics import find_cluster
from ocrstream_schemas.topics import IMAGES_SUBMITTED

pytestmark = pytest.mark.integration

MAX_POLL_INTERVAL_S = 2.0


class HeldWriter:
    """Writes nothing until it is `released`; the next poll may begin at once if offsets are
    `advanced`.
    """

    def __init__(self, poll_records: int = 1000, *, advanced: bool = False) -> None:
        self.size = TransactionSize(poll_records, 30.0)
        self.writing = asyncio.Event()
        self.writing_two = asyncio.Event()
        self.release_requests: list[asyncio.Event] = []
        self.advanced = advanced
        self.writes = 0
        self.prepared: list[int] = []
        self.released = asyncio.Event()

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        return dict(if_unknown)

    async def dead_letters_before(
        self, next_offsets: Mapping[Partition, int], _: int
    ) -> dict[Partition, set[int]]:
        return {partition: set() for partition in next_offsets}

    async def prepare(self, records: list[RawRecord]) -> Poll:
        self.prepared.append(len(records))
        next_offsets = {(one.topic, one.partition): one.offset + 1 for one in records}
        return Poll([], cast("Any", None), next_offsets)

    def write(
        self, poll: Poll, _: Mapping[Partition, int], release_requested: asyncio.Event
    ) -> "HeldWrite":
        self.release_requests.append(release_requested)
        return HeldWrite(self, poll)


class HeldWrite:
    """A write of a HeldWriter."""

    def __init__(self, writer: HeldWriter, poll: Poll) -> None:
        self._writer = writer
        self._poll = poll
        self._advanced = asyncio.Event()

    async def offsets_advanced(self) -> None:
        await self._advanced.wait()

    async def run(self) -> WrittenPoll:
        writer = self._writer
        writer.writes += 1
        (writer.writing if writer.writes == 1 else writer.writing_two).set()
        if writer.advanced:
            self._advanced.set()
        await writer.released.wait()
        writer.writes -= 1
        self._advanced.set()
        return WrittenPoll(self._poll.next_offsets, must_recount=False)


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
    bootstrap: str, writer: HeldWriter, stop: asyncio.Event
) -> AsyncGenerator[tuple[Consumer, AIOKafkaConsumer]]:
    kafka = new_consumer(bootstrap)
    async with Cluster(bootstrap, await find_cluster(bootstrap)) as cluster:
        yield (
            Consumer(
                kafka,
                cluster,
                cast("PollWriter", writer),
                DeadLetterBreaker(100),
                writer.size,
                stop=stop,
            ),
            kafka,
        )


async def test_a_write_longer_than_the_poll_interval_keeps_the_membership(
    kafka_bootstrap: str,
) -> None:
    writer, stop = HeldWriter(), asyncio.Event()
    async with member(kafka_bootstrap, writer, stop) as (consumer, kafka):
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
            running = asyncio.create_task(consumer.run())
            await writer.writing.wait()
            # What comes next is not read before that is written.
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
        try:
            # A member that leaves is told so, and requests the release of what it writes.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.release_requests[0].wait(), 3 * MAX_POLL_INTERVAL_S)
            assert kafka.assignment()
        finally:
            writer.released.set()
            stop.set()
            await running


@pytest.mark.parametrize("backlogged", [True, False])
async def test_two_polls_are_written_at_once_only_while_there_is_a_backlog(
    module_broker: Broker, backlogged: bool
) -> None:
    writer, stop = HeldWriter(4 if backlogged else 1000, advanced=True), asyncio.Event()
    bootstrap = module_broker.bootstrap
    async with member(bootstrap, writer, stop) as (consumer, _):
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            running = asyncio.create_task(consumer.run())
            for _ in range(2):
                await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
                await writer.writing.wait()
        try:
            second = asyncio.wait_for(writer.writing_two.wait(), MAX_POLL_INTERVAL_S)
            if backlogged:
                await second
            else:
                with pytest.raises(TimeoutError):
                    await second
        finally:
            writer.released.set()
            stop.set()
            await running


async def test_no_more_is_read_at_once_than_may_be_written(module_broker: Broker) -> None:
    writer, stop = HeldWriter(), asyncio.Event()
    writer.released.set()
    writer.size.failed(6)
    async with AIOKafkaProducer(bootstrap_servers=module_broker.bootstrap) as producer:
        for _ in range(10):
            await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
    async with member(module_broker.bootstrap, writer, stop) as (consumer, _):
        running = asyncio.create_task(consumer.run())
        async with asyncio.timeout(60):
            while sum(writer.prepared) < 10:
                await wait_for_event(stop, 0.05)
        stop.set()
        await running
    assert max(writer.prepared) == 3
