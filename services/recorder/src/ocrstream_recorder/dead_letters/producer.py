"""Writes what cannot be applied to the dead-letter topic of where it came from."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.dead_letters.rejection import Rejection
from ocrstream_recorder.recording.decoding import DecodedRecord
from ocrstream_runtime.kafka import RawRecord, RecordTooLarge, check_size, record_ref
from ocrstream_runtime.lasting_producer import LastingProducer
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
# aiokafka waits for a topic that is not there, and for acknowledgements without an end.
_TIMEOUT_S = 5.0

Kept = dict[Coordinates, Coordinates]
"""Of each rejected record, by where it was read: where its value is kept."""


class DeadLetterSink(Protocol):
    """Where rejected records go."""

    async def publish(self, judged: Iterable[DecodedRecord], /) -> Kept:
        """Returns when they are safe; raises KafkaError if they are not."""
        ...


class _Sent(NamedTuple):
    """A dead letter on its way; it is `whole` if it has its record's key and value."""

    letter: asyncio.Future[RecordMetadata]
    whole: bool


class DeadLetterProducer:
    """Sends rejected records on: key and value unchanged, headers tell why and where from."""

    def __init__(self, producer: LastingProducer, consumer: str) -> None:
        self._producer = producer
        self._consumer = consumer
        self._on_their_way: dict[Coordinates, _Sent] = {}

    async def publish(self, judged: Iterable[DecodedRecord]) -> Kept:
        """Returns when the broker has every rejected one; raises KafkaError if it has not.

        At least once: a poll that is tried again writes its dead letters again, but for those that
        may still arrive.
        """
        rejected = {
            Coordinates(record.topic, record.partition, record.offset): (record, rejection)
            for record, _, rejection in judged
            if rejection is not None
        }
        if not rejected:
            return {}
        loop = asyncio.get_running_loop()
        sent: list[_Sent] = []
        try:
            async with asyncio.timeout(_TIMEOUT_S) as patience, self._producer.lent() as producer:
                for origin, (record, rejection) in rejected.items():
                    sent.append(await self._sent(producer, origin, record, rejection))
                    patience.reschedule(loop.time() + _TIMEOUT_S)
                for one in sent:
                    await asyncio.wait([one.letter])
                    patience.reschedule(loop.time() + _TIMEOUT_S)
                # Each is looked at: asyncio tells of failures that nobody has seen.
                failures = [failure for one in sent if (failure := one.letter.exception())]
                if failures:
                    raise failures[0]
        except TimeoutError:
            topics = ", ".join(sorted({dead_letter_topic(origin.topic) for origin in rejected}))
            raise KafkaTimeoutError(
                f"the broker has taken no dead letter for {topics} for {_TIMEOUT_S:g} s:"
                " is the topic there, with enough replicas in sync?"
            ) from None
        self._on_their_way = {
            origin: one for origin, one in self._on_their_way.items() if not one.letter.done()
        }
        kept: Kept = {}
        for origin, one in zip(rejected, sent, strict=True):
            letter = one.letter.result()
            here = Coordinates(letter.topic, letter.partition, letter.offset)
            kept[origin] = here if one.whole else origin
        return kept

    async def _sent(
        self,
        producer: AIOKafkaProducer,
        origin: Coordinates,
        record: RawRecord,
        rejection: Rejection,
    ) -> _Sent:
        """Its letter, a new one unless the last one may still arrive."""
        sent = self._on_their_way.get(origin)
        if sent is None or sent.letter.done():
            sent = self._on_their_way[origin] = await self._send(producer, record, rejection)
        return sent

    async def _send(
        self, producer: AIOKafkaProducer, record: RawRecord, rejection: Rejection
    ) -> _Sent:
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
            recording_metrics.DEAD_LETTERS.labels(record.topic, rejection.reason).inc()
            letter = await producer.send(topic, key=key, value=value, headers=headers)
        return _Sent(letter, whole)

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
