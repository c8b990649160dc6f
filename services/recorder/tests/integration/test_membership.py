"""A write that takes as long as it likes costs no partition."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from ocrstream_recorder.consumer import Consumer
from ocrstream_recorder.drain_limit import DrainLimit
from ocrstream_recorder.recording import Poll, Recording
from ocrstream_recorder.store.offsets import Partition
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.topics import IMAGES_SUBMITTED

pytestmark = pytest.mark.integration

MAX_POLL_INTERVAL_S = 2.0


class HeldRecording:
    """Writes nothing until it is `released`, or told to let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.writing = asyncio.Event()
        self.released = asyncio.Event()

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        return dict(if_unknown)

    async def dead_letters_before(
        self, nexts: Mapping[Partition, int], _: int
    ) -> dict[Partition, set[int]]:
        return {partition: set() for partition in nexts}

    async def prepare(self, records: list[RawRecord]) -> Poll:
        nexts = {(one.topic, one.partition): one.offset + 1 for one in records}
        return Poll([], cast("Any", None), nexts)

    async def record(
        self, poll: Poll, _: Mapping[Partition, int], on_fenced: Callable[[], None]
    ) -> dict[Partition, int]:
        self.writing.set()
        await self.released.wait()
        on_fenced()
        return poll.nexts


async def test_a_write_longer_than_the_poll_interval_keeps_the_membership(
    kafka_bootstrap: str,
) -> None:
    recording, stop = HeldRecording(), asyncio.Event()
    kafka = AIOKafkaConsumer(
        bootstrap_servers=kafka_bootstrap,
        group_id=f"recorder-{secrets.token_hex(4)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        heartbeat_interval_ms=200,
        max_poll_interval_ms=int(MAX_POLL_INTERVAL_S * 1000),
    )
    consumer = Consumer(kafka, cast("Recording", recording), DrainLimit(100), 1000, stop)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
        running = asyncio.create_task(consumer.run())
        await recording.writing.wait()
        # What is read next waits for its turn to be written, and nothing more is read.
        await producer.send_and_wait(IMAGES_SUBMITTED, b"{}")
    try:
        # A member that leaves is told so, and lets go of what it writes.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(recording.let_go.wait(), 3 * MAX_POLL_INTERVAL_S)
        assert kafka.assignment()
    finally:
        recording.released.set()
        stop.set()
        await running
