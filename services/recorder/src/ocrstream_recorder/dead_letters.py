"""Writes what cannot be applied to the dead-letter topic of where it came from."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from ocrstream_recorder import metrics
from ocrstream_recorder.intake import Judged, Rejection
from ocrstream_recorder.store.dead_letters import Coordinates
from ocrstream_runtime.kafka import RawRecord, RecordTooLarge, check_size, record_ref
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.tracing import trace_context
from ocrstream_schemas.headers import (
    DEAD_LETTER_CONSUMER,
    DEAD_LETTER_ERROR,
    DEAD_LETTER_REASON,
    Headers,
    origin_headers,
)
from ocrstream_schemas.topics import dead_letter_topic

logger = structlog.get_logger(__name__)

_ERROR_MAX_LENGTH = 2000
# aiokafka sends no record that has neither key nor value.
_NO_KEY = b""

Kept = dict[Coordinates, Coordinates]
"""Of each rejected record, by where it was read: where its value is kept."""


class DeadLetterSink(Protocol):
    """Where rejected records go."""

    async def publish(self, judged: Iterable[Judged], /) -> Kept:
        """Returns when they are safe; raises KafkaError if they are not."""
        ...


class _Sent(NamedTuple):
    """A dead letter on its way; it is `whole` if it has its record's key and value."""

    origin: Coordinates
    letter: asyncio.Future[RecordMetadata]
    whole: bool


class DeadLetters:
    """Sends rejected records on: key and value unchanged, headers tell why and where from."""

    def __init__(self, producer: AIOKafkaProducer, consumer: str) -> None:
        self._producer = producer
        self._consumer = consumer

    async def publish(self, judged: Iterable[Judged]) -> Kept:
        """Returns when the broker has every rejected one; raises KafkaError if it has not.

        At least once: a poll that is tried again writes its dead letters again.
        """
        sent = [await self._send(one, one.rejection) for one in judged if one.rejection is not None]
        letters = await asyncio.gather(*(one.letter for one in sent))
        return {
            one.origin: Coordinates(letter.topic, letter.partition, letter.offset)
            if one.whole
            else one.origin
            for one, letter in zip(sent, letters, strict=True)
        }

    async def _send(self, judged: Judged, rejection: Rejection) -> _Sent:
        record = judged.record
        topic = dead_letter_topic(record.topic)
        with send_span(topic, record.key, context=trace_context(record.headers)) as carried_on:
            headers = self._headers(record, rejection) + carried_on
            key, value, whole = record.key, record.value, True
            if key is None and value is None:
                key = _NO_KEY
            try:
                check_size(topic, key, value, headers)
            except RecordTooLarge as too_large:
                # Compressed it fitted into its own topic, where it can still be read.
                told = f"{rejection.error} (value left out, it is kept at its origin: {too_large})"
                headers = self._headers(record, rejection._replace(error=told)) + carried_on
                key, value, whole = _NO_KEY, None, False
            ref = record_ref(record)
            logger.warning(
                "dead letter",
                topic=ref.topic,
                partition=ref.partition,
                offset=ref.offset,
                reason=rejection.reason,
                error=rejection.error[:_ERROR_MAX_LENGTH],
            )
            metrics.DEAD_LETTERS.labels(record.topic, rejection.reason).inc()
            letter = await self._producer.send(topic, key=key, value=value, headers=headers)
        return _Sent(Coordinates(record.topic, record.partition, record.offset), letter, whole)

    def _headers(self, record: RawRecord, rejection: Rejection) -> Headers:
        error = storable_error(rejection.error)
        return [
            (DEAD_LETTER_REASON, rejection.reason.encode()),
            (DEAD_LETTER_ERROR, error.encode()),
            (DEAD_LETTER_CONSUMER, self._consumer.encode()),
            *origin_headers(record_ref(record)),
        ]


def storable_error(error: str) -> str:
    """The error as every header and column can hold it: no longer, no lone surrogates, no NUL."""
    told = error[:_ERROR_MAX_LENGTH].encode("utf-8", "backslashreplace").decode()
    return told.replace("\0", "\\0")
