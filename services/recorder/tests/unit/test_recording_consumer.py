"""What the consumer does when it cannot read, when a write fails for good, and when it stops."""

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from structlog.testing import capture_logs

from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.recording import consumer as consumer_module
from ocrstream_recorder.recording.consumer import Consumer
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll import Poll
from ocrstream_recorder.recording.poll_write import WrittenPoll
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.retries import Backoff
from ocrstream_schemas.topics import IMAGES_SUBMITTED

PARTITION = TopicPartition(IMAGES_SUBMITTED, 0)
RECORDS = 10


class Kafka:
    """A log of one partition; each poll takes the next of `failures` and raises it."""

    def __init__(self) -> None:
        self.position = 0
        self.failures: list[Exception | None] = []
        self.polled: list[int] = []
        self.committed: dict[TopicPartition, int] = {}

    def subscribe(self, topics: Iterable[str], listener: object) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        assert partition == PARTITION
        self.position = offset

    async def getmany(self, *partitions: TopicPartition, **_: Any) -> dict[TopicPartition, Any]:
        await asyncio.sleep(0)
        if PARTITION not in partitions or self.position == RECORDS:
            return {}
        offset, self.position = self.position, self.position + 1
        self.polled.append(offset)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        record = SimpleNamespace(topic=PARTITION.topic, partition=0, offset=offset)
        return {PARTITION: [record]}

    async def beginning_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: 0}

    async def end_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: RECORDS}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed = dict(offsets)


class Writer:
    """Stores the offsets of what it writes; raises `failure` instead if there is one."""

    def __init__(self) -> None:
        self.stored: dict[Partition, int] = {}
        self.failure: Exception | None = None
        self.all_written = asyncio.Event()

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        return {
            partition: self.stored.get(partition, begin) for partition, begin in if_unknown.items()
        }

    async def dead_letters_before(
        self, next_offsets: Mapping[Partition, int], _: int
    ) -> dict[Partition, set[int]]:
        return {partition: set() for partition in next_offsets}

    async def prepare(self, records: list[Any]) -> Poll:
        next_offsets = {(one.topic, one.partition): one.offset + 1 for one in records}
        return Poll([], cast("Any", None), next_offsets)

    def write(self, poll: Poll, begins: Mapping[Partition, int], _: asyncio.Event) -> "Write":
        return Write(self, poll, begins)


class Write:
    def __init__(self, writer: Writer, poll: Poll, begins: Mapping[Partition, int]) -> None:
        self._writer, self._poll, self._begins = writer, poll, begins

    async def offsets_advanced(self) -> None: ...

    async def run(self) -> WrittenPoll:
        writer = self._writer
        if writer.failure is not None:
            raise writer.failure
        for partition, offset in self._begins.items():
            assert writer.stored.get(partition, 0) == offset
        writer.stored |= self._poll.next_offsets
        if RECORDS in writer.stored.values():
            writer.all_written.set()
        return WrittenPoll(self._poll.next_offsets, must_recount=False)


class SameCluster:
    async def check(self) -> None: ...


class Scene:
    def __init__(self) -> None:
        self.kafka, self.writer, self.stop = Kafka(), Writer(), asyncio.Event()
        self.consumer = Consumer(
            cast("AIOKafkaConsumer", self.kafka),
            cast("Cluster", SameCluster()),
            cast("PollWriter", self.writer),
            DeadLetterBreaker(10),
            TransactionSize(1000, 30.0),
            stop=self.stop,
        )

    async def run_until(self, event: asyncio.Event) -> None:
        running = asyncio.create_task(self.consumer.run())
        async with asyncio.timeout(10):
            await event.wait()
            self.stop.set()
            await running


async def test_after_a_failure_it_reads_again_from_the_stored_offset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer_module, "OUTAGE_BACKOFF", Backoff(0.001))
    scene = Scene()
    away = KafkaConnectionError("away")
    scene.kafka.failures = [None, None, away, away, away]
    with capture_logs() as logs:
        await scene.run_until(scene.writer.all_written)
    assert scene.kafka.polled == [0, 1, 2, 2, 2, *range(2, RECORDS)]
    assert scene.kafka.committed == {PARTITION: RECORDS}
    assert [log["event"] for log in logs if log.get("loop") == "reading"] == [
        "background loop fails",
        "background loop recovered",
    ]


async def test_it_is_not_ready_while_it_cannot_read_and_a_stop_ends_the_backoff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer_module, "OUTAGE_BACKOFF", Backoff(3600.0))
    scene = Scene()
    scene.kafka.failures = [KafkaConnectionError("away")]
    running = asyncio.create_task(scene.consumer.run())
    reports: list[NotReadyError] = []
    async with asyncio.timeout(10):
        while not reports:
            await asyncio.sleep(0)
            try:
                await scene.consumer.retry_health.check()
            except NotReadyError as error:
                reports.append(error)
        scene.stop.set()
        await running
    assert "away" in str(reports[0])
    await scene.consumer.retry_health.check()


async def test_a_write_that_fails_for_good_ends_the_consumer_even_with_an_error_of_kafka() -> None:
    scene = Scene()
    scene.writer.failure = KafkaError("never again")
    async with asyncio.timeout(10):
        with pytest.raises(KafkaError, match="never again"):
            await scene.consumer.run()
