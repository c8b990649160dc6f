"""Dead letters as they lie in Kafka: read where they are kept, and sent to their origin again.

It has clients of its own for each use, so that nothing it does can stop the recording.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.errors import DeadLetterDeletedError, DeadLettersUnavailableError
from ocrstream_runtime.clock import clock_named
from ocrstream_runtime.kafka import (
    RawRecord,
    check_size,
    create_consumer,
    create_producer,
    record_ref,
)
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.headers import REDRIVE, origin_headers
from ocrstream_schemas.ids import RecordRef

_CLIENT_ID = "recorder-dead-letters"
_TIMEOUT_S = 10.0


@contextmanager
def _unavailable() -> Generator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise DeadLettersUnavailableError(str(error) or "Kafka does not answer") from error


class DeadLetterReader:
    """Reads dead letters; those that lie one behind the other fastest."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._logs: dict[TopicPartition, range] = {}
        self._at: tuple[TopicPartition, int] | None = None

    async def read(self, kept: Coordinates, origin: RecordRef) -> RawRecord:
        """The record with the key and value of the dead letter with this origin.

        Raises DeadLetterDeletedError, also if another record stands there now, and
        DeadLettersUnavailableError.
        """
        place = TopicPartition(kept.topic, kept.partition)
        with _unavailable():
            async with asyncio.timeout(_TIMEOUT_S):
                record = await self._read(place, kept.offset)
        if record is None or record.offset != kept.offset or record_ref(record) != origin:
            raise DeadLetterDeletedError
        return record

    async def _read(self, place: TopicPartition, offset: int) -> RawRecord | None:
        if (place, offset) != self._at:
            self._kafka.assign([place])
            if place not in self._logs:
                first = await self._kafka.beginning_offsets([place])
                end = await self._kafka.end_offsets([place])
                self._logs[place] = range(first[place], end[place])
            if offset not in self._logs[place]:
                self._at = None
                return None
            self._kafka.seek(place, offset)
        record = await self._kafka.getone()
        self._at = place, record.offset + 1
        return record


class Redriver:
    """Sends records to their origin topics again."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(
        self, key: bytes | None, value: bytes | None, origin: RecordRef, redrive: int
    ) -> None:
        """Returns when the broker has it; `redrive`: the how-manieth of this dead letter it is.

        Raises RecordTooLarge, DeadLettersUnavailableError.
        """
        with send_span(origin.topic, key) as carried_on, _unavailable(), clock_named():
            headers = [*origin_headers(origin), (REDRIVE, str(redrive).encode()), *carried_on]
            check_size(origin.topic, key, value, headers)
            await self._producer.send_and_wait(origin.topic, value, key=key, headers=headers)


class DeadLetterRecords:
    """Where dead letters are read and sent."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[DeadLetterReader]:
        """A reader; raises DeadLettersUnavailableError."""
        kafka = create_consumer(self._settings, _CLIENT_ID, group_id=None)
        with _unavailable():
            await kafka.start()
        try:
            yield DeadLetterReader(kafka)
        finally:
            await kafka.stop()

    @asynccontextmanager
    async def sender(self) -> AsyncGenerator[Redriver]:
        """A sender; raises DeadLettersUnavailableError."""
        producer = create_producer(self._settings, _CLIENT_ID)
        with _unavailable():
            await producer.start()
        try:
            yield Redriver(producer)
        finally:
            await producer.stop()
