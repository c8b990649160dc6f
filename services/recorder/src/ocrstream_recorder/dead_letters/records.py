"""Reads dead letters from Kafka, and sends them to their origin topics again.

Each use has clients of its own, so it cannot stop the recording.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.errors import DeadLetterDeletedError, DeadLettersUnavailableError
from ocrstream_runtime.clock import translate_clock_errors
from ocrstream_runtime.kafka import (
    RawRecord,
    check_size,
    create_consumer,
    create_producer,
    record_ref,
)
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
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
    """Reads dead letters; the fastest order is that of their offsets."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._log_ranges: dict[TopicPartition, range] = {}
        self._position: tuple[TopicPartition, int] | None = None

    async def read(self, kept: Coordinates, origin: RecordRef) -> RawRecord:
        """Reads the record that holds the key and value of the dead letter of `origin`.

        Raises DeadLetterDeletedError, also if another record has the coordinates `kept` now, and
        DeadLettersUnavailableError.
        """
        partition = TopicPartition(kept.topic, kept.partition)
        with _unavailable():
            async with StarvationAwareTimeout(_TIMEOUT_S):
                record = await self._read(partition, kept.offset)
        if record is None or record.offset != kept.offset or record_ref(record) != origin:
            raise DeadLetterDeletedError
        return record

    async def _read(self, partition: TopicPartition, offset: int) -> RawRecord | None:
        if (partition, offset) != self._position:
            self._kafka.assign([partition])
            if partition not in self._log_ranges:
                first = await self._kafka.beginning_offsets([partition])
                end = await self._kafka.end_offsets([partition])
                self._log_ranges[partition] = range(first[partition], end[partition])
            if offset not in self._log_ranges[partition]:
                self._position = None
                return None
            self._kafka.seek(partition, offset)
        record = await self._kafka.getone()
        self._position = partition, record.offset + 1
        return record


class Redriver:
    """Sends records to their origin topics again."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(
        self, key: bytes | None, value: bytes | None, origin: RecordRef, redrive: int
    ) -> None:
        """Sends the record; returns when the broker has acknowledged it.

        `redrive` is the number of the dead letter's redrive, from 1. Raises RecordTooLargeError and
        DeadLettersUnavailableError.
        """
        with send_span(origin.topic, key) as span_headers, _unavailable(), translate_clock_errors():
            headers = [*origin_headers(origin), (REDRIVE, str(redrive).encode()), *span_headers]
            check_size(origin.topic, key, value, headers)
            await self._producer.send_and_wait(origin.topic, value, key=key, headers=headers)


class DeadLetterRecords:
    """Opens clients that read and send dead letters."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[DeadLetterReader]:
        """Yields a reader. Raises DeadLettersUnavailableError."""
        kafka = create_consumer(self._settings, _CLIENT_ID, group_id=None)
        with _unavailable():
            await kafka.start()
        try:
            yield DeadLetterReader(kafka)
        finally:
            await kafka.stop()

    @asynccontextmanager
    async def sender(self) -> AsyncGenerator[Redriver]:
        """Yields a sender. Raises DeadLettersUnavailableError."""
        producer = create_producer(self._settings, _CLIENT_ID)
        with _unavailable():
            await producer.start()
        try:
            yield Redriver(producer)
        finally:
            await producer.stop()
