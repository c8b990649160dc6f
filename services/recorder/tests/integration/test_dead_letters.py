"""Dead letters on a real broker: none is too large, none is lost while they cannot be written."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from real_servers import Broker

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.errors import DeadLetterDeletedError
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_recorder.rules.rejection import Rejection
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.kafka import (
    RawRecord,
    create_producer,
    record_ref,
)
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import IMAGES_SUBMITTED, RECORDED_TOPICS, TOPICS, dead_letter_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

HEADERS = [("note", b"h" * 60_000), ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")]
# Of Kafka's format: the batch's header, and of a record its lengths.
FORMAT_BYTES = 61 + 32


async def written(bootstrap: str, topic: str, value: bytes, **options: Any) -> RawRecord:
    """A record as a consumer reads it; `options` of the producer that sends it."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_request_size=64 * 1024 * 1024, **options
    ) as producer:
        sent = await producer.send_and_wait(
            topic, value, key=b"k" * 200, partition=0, headers=HEADERS
        )
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, sent.offset)
        return await consumer.getone()


def settings(bootstrap: str) -> ServiceSettings:
    return ServiceSettings(KAFKA_BOOTSTRAP_SERVERS=bootstrap)  # pyright: ignore[reportCallIssue]


async def kept_and_read(bootstrap: str, record: RawRecord) -> tuple[Coordinates, RawRecord]:
    """Where a dead letter is kept, and what is read of it there."""
    producer = RenewableProducer(lambda: create_producer(settings(bootstrap), "test"))
    # The longest error, of characters that grow most when they are encoded.
    rejection = Rejection("invalid", "\U0001f5bc" * 5000)
    kept = await DeadLetterProducer(producer, "recorder").publish([(record, rejection)])
    await producer.aclose()
    (place,) = kept.values()
    async with DeadLetterRecords(settings(bootstrap)).reader() as reader:
        return place, await reader.read(place, record_ref(record))


@pytest.mark.parametrize("topic", RECORDED_TOPICS)
async def test_the_largest_record_of_each_topic_has_a_whole_dead_letter(
    kafka_bootstrap: str, topic: str
) -> None:
    room = TOPICS[topic].max_message_bytes - FORMAT_BYTES - 200
    room -= sum(len(name) + len(content) + 8 for name, content in HEADERS)
    record = await written(kafka_bootstrap, topic, secrets.token_bytes(room))
    with pytest.raises(KafkaError, match=r"(?i)size"):
        await written(kafka_bootstrap, topic, secrets.token_bytes(room + 200))
    place, read = await kept_and_read(kafka_bootstrap, record)
    assert place.topic == dead_letter_topic(topic)
    assert (read.key, read.value) == (record.key, record.value)


@pytest.mark.parametrize("compression", ["gzip", "lz4", "zstd"])
async def test_what_fits_only_compressed_is_kept_where_it_came_from(
    kafka_bootstrap: str, compression: str
) -> None:
    value = b'{"index": -1, "note": "' + b"x" * 12_000_000 + b'"}'
    record = await written(kafka_bootstrap, IMAGES_SUBMITTED, value, compression_type=compression)
    place, read = await kept_and_read(kafka_bootstrap, record)
    assert place == Coordinates(IMAGES_SUBMITTED, 0, record.offset)
    assert (read.key, read.value) == (record.key, value)


async def test_a_record_without_key_and_value_has_a_dead_letter(kafka_bootstrap: str) -> None:
    record = await written(kafka_bootstrap, IMAGES_SUBMITTED, b"")
    bare = dataclasses.replace(record, key=None, value=None)
    _, read = await kept_and_read(kafka_bootstrap, bare)
    assert (read.key, read.value) == (b"", None)


async def test_another_record_in_its_place_is_not_taken_for_it(kafka_bootstrap: str) -> None:
    record = await written(kafka_bootstrap, IMAGES_SUBMITTED, b"garbage")
    place, _ = await kept_and_read(kafka_bootstrap, record)
    ref = record_ref(record)
    earlier = RecordRef(ref.topic, ref.partition, ref.offset, ref.timestamp_ms - 1)
    async with DeadLetterRecords(settings(kafka_bootstrap)).reader() as reader:
        for gone, origin in (
            (place, earlier),
            (place._replace(offset=10**9), ref),
            (Coordinates(record.topic, record.partition, record.offset), earlier),
        ):
            with pytest.raises(DeadLetterDeletedError):
                await reader.read(gone, origin)
        assert (await reader.read(place, ref)).value == b"garbage"


class Recorder:
    """A writer with a real producer, about to write one poll of garbage and a good record."""

    def __init__(self, bootstrap: str, database_url: str) -> None:
        self.database_url = database_url
        self._database = Database(database_url, "test")
        self._producer = RenewableProducer(lambda: create_producer(settings(bootstrap), "test"))
        self._writer = PollWriter(
            self._database,
            DeadLetterProducer(self._producer, "recorder"),
            DeadLetterBreaker(100),
            DatabaseZone("UTC"),
            TransactionSize(2_000, 30.0),
            cluster_id="cluster",
            group_id="recorder",
            on_outbox=lambda: None,
        )

    async def begin(self, record: RawRecord) -> "asyncio.Task[object]":
        begins = {(record.topic, record.partition): record.offset}
        await self._writer.next_offsets(begins)
        poll = await self._writer.prepare([record])
        return asyncio.create_task(self._writer.write(poll, begins, asyncio.Event()).run())

    async def has_trouble(self, writing: "asyncio.Task[object]") -> str:
        while not writing.done():
            try:
                await self._writer.retry_health.check()
            except NotReadyError as trouble:
                return str(trouble)
            await asyncio.sleep(0.05)
        raise AssertionError(f"it was written, or failed: {writing}")

    async def has_no_trouble(self) -> None:
        await self._writer.retry_health.check()

    async def is_not_written(self, writing: "asyncio.Task[object]", record: RawRecord) -> None:
        """A poll that does not wait for its dead letters takes a small part of this time."""
        await asyncio.wait({writing}, timeout=2)
        assert not writing.done()
        assert self.moved(record) == 0

    def moved(self, record: RawRecord) -> int:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("SELECT next_offset FROM recorder_offsets").fetchone()
        assert row is not None
        return row[0] - record.offset

    async def close(self) -> None:
        await self._producer.aclose()
        await self._database.close()


@pytest.fixture
async def recorder(module_broker: Broker, database_url: str) -> AsyncGenerator[Recorder]:
    recorder = Recorder(module_broker.bootstrap, database_url)
    yield recorder
    await recorder.close()


DEAD_LETTERS = dead_letter_topic(IMAGES_SUBMITTED)


@asynccontextmanager
async def admin_of(broker: Broker) -> AsyncGenerator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_dead_letters(admin: AIOKafkaAdminClient) -> None:
    """Returns when the broker has no such topic any more, some time after it was told."""
    await admin.delete_topics([DEAD_LETTERS])
    while True:
        if DEAD_LETTERS not in await admin.list_topics():
            return
        await asyncio.sleep(0.05)


async def limit_dead_letters(admin: AIOKafkaAdminClient, max_message_bytes: int) -> None:
    limit = {"max.message.bytes": str(max_message_bytes)}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, DEAD_LETTERS, limit)])


async def until_refused(bootstrap: str) -> None:
    """Returns when the broker keeps to the topic's new limit, some time after it was told."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        while True:
            try:
                await producer.send_and_wait(DEAD_LETTERS, secrets.token_bytes(5000))
            except MessageSizeTooLargeError:
                return


async def test_while_the_broker_is_away_nothing_moves(
    module_broker: Broker, recorder: Recorder
) -> None:
    record = await written(module_broker.bootstrap, IMAGES_SUBMITTED, b"garbage")
    module_broker.kill()
    writing = await recorder.begin(record)
    await recorder.is_not_written(writing, record)
    await asyncio.to_thread(module_broker.start)
    await writing
    assert recorder.moved(record) == 1


async def test_without_its_dead_letter_topic_nothing_moves_until_it_is_there(
    module_broker: Broker, recorder: Recorder
) -> None:
    record = await written(module_broker.bootstrap, IMAGES_SUBMITTED, b"garbage")
    async with admin_of(module_broker) as admin:
        await delete_dead_letters(admin)
        writing = await recorder.begin(record)
        assert DEAD_LETTERS in await recorder.has_trouble(writing)
        assert recorder.moved(record) == 0
        await admin.create_topics([NewTopic(DEAD_LETTERS, 1, 1)])
    await writing
    assert recorder.moved(record) == 1
    await recorder.has_no_trouble()


async def test_a_dead_letter_topic_that_is_deleted_in_use_holds_up_only_while_it_is_gone(
    module_broker: Broker, recorder: Recorder
) -> None:
    first, second = [
        await written(module_broker.bootstrap, IMAGES_SUBMITTED, value)
        for value in (b"one", b"two")
    ]
    await (await recorder.begin(first))
    async with admin_of(module_broker) as admin:
        await delete_dead_letters(admin)
        writing = await recorder.begin(second)
        assert "dead letter" in await recorder.has_trouble(writing)
        assert recorder.moved(second) == 0
        await admin.create_topics([NewTopic(DEAD_LETTERS, 1, 1)])
    await writing
    assert recorder.moved(second) == 1
    await recorder.has_no_trouble()


async def test_a_broker_that_refuses_dead_letters_holds_up_only_while_it_does(
    module_broker: Broker, recorder: Recorder
) -> None:
    # The first is taken: from then on the broker knows which number the producer's next one has.
    first = await written(module_broker.bootstrap, IMAGES_SUBMITTED, b"garbage")
    second = await written(module_broker.bootstrap, IMAGES_SUBMITTED, secrets.token_bytes(5000))
    async with admin_of(module_broker) as admin:
        await delete_dead_letters(admin)
        await admin.create_topics([NewTopic(DEAD_LETTERS, 1, 1)])
        await (await recorder.begin(first))
        await limit_dead_letters(admin, 1000)
        await until_refused(module_broker.bootstrap)
        writing = await recorder.begin(second)
        assert "MessageSizeTooLarge" in await recorder.has_trouble(writing)
        # An idempotent producer that had one refused can never send to this partition again.
        await recorder.is_not_written(writing, second)
        await limit_dead_letters(admin, TOPICS[DEAD_LETTERS].max_message_bytes)
    await writing
    assert recorder.moved(second) == 1
    await recorder.has_no_trouble()
