"""Writes records that cannot be applied to the dead-letter topic of their origin."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.rules.rejection import Rejection
from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_runtime.kafka import RawRecord, check_size, record_ref
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
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
# aiokafka waits without limit for a missing topic, and for acknowledgements.
_TIMEOUT_S = 5.0

KeptAt = dict[Coordinates, Coordinates]
"""The coordinates at which each rejected record's value is kept, by those of the record."""


class _Sent(NamedTuple):
    """A dead letter in flight; `whole` if it contains the key and the value of its record."""

    metadata: asyncio.Future[RecordMetadata]
    whole: bool


class DeadLetterProducer:
    """Sends rejected records with unchanged key and value; headers name reason and origin."""

    def __init__(self, producer: RenewableProducer, consumer: str) -> None:
        self._producer = producer
        self._consumer = consumer
        self._unacknowledged: dict[Coordinates, _Sent] = {}

    async def publish(self, rejected: Iterable[tuple[RawRecord, Rejection]]) -> KeptAt:
        """Returns when the broker has acknowledged every rejected record; else raises KafkaError.

        Delivers at least once: a call that repeats an earlier one sends its records again, except
        those whose acknowledgement is still pending.
        """
        by_origin = {
            Coordinates(record.topic, record.partition, record.offset): (record, rejection)
            for record, rejection in rejected
        }
        if not by_origin:
            return {}
        all_sent: list[_Sent] = []
        try:
            async with (
                StarvationAwareTimeout(_TIMEOUT_S) as timeout,
                self._producer.acquire() as producer,
            ):
                for origin, (record, rejection) in by_origin.items():
                    all_sent.append(await self._send_once(producer, origin, record, rejection))
                    timeout.restart()
                for sent in all_sent:
                    await asyncio.wait([sent.metadata])
                    timeout.restart()
                # All of them are retrieved, because asyncio logs exceptions that are not.
                failures = [failure for sent in all_sent if (failure := sent.metadata.exception())]
                if failures:
                    raise failures[0]
        except TimeoutError:
            topics = ", ".join(sorted({dead_letter_topic(origin.topic) for origin in by_origin}))
            raise KafkaTimeoutError(
                f"the broker has taken no dead letter for {topics} for {_TIMEOUT_S:g} s:"
                " is the topic there, with enough replicas in sync?"
            ) from None
        self._unacknowledged = {
            origin: sent
            for origin, sent in self._unacknowledged.items()
            if not sent.metadata.done()
        }
        kept_at: KeptAt = {}
        for origin, sent in zip(by_origin, all_sent, strict=True):
            metadata = sent.metadata.result()
            here = Coordinates(metadata.topic, metadata.partition, metadata.offset)
            kept_at[origin] = here if sent.whole else origin
        return kept_at

    async def _send_once(
        self,
        producer: AIOKafkaProducer,
        origin: Coordinates,
        record: RawRecord,
        rejection: Rejection,
    ) -> _Sent:
        """Sends the record's dead letter, unless the broker may still acknowledge the last one."""
        sent = self._unacknowledged.get(origin)
        if sent is None or sent.metadata.done():
            sent = self._unacknowledged[origin] = await self._send(producer, record, rejection)
        return sent

    async def _send(
        self, producer: AIOKafkaProducer, record: RawRecord, rejection: Rejection
    ) -> _Sent:
        topic = dead_letter_topic(record.topic)
        with send_span(topic, record.key, context=trace_context(record.headers)) as span_headers:
            headers = self._headers(record, rejection) + span_headers
            key, value, whole = record.key, record.value, True
            if key is None and value is None:
                key = _NO_KEY
            try:
                check_size(topic, key, value, headers)
            except RecordTooLargeError as too_large:
                # It fitted into its own topic compressed, and remains readable there.
                error = f"{rejection.error} (value left out, it is kept at its origin: {too_large})"
                headers = self._headers(record, rejection._replace(error=error)) + span_headers
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
            metadata = await producer.send(topic, key=key, value=value, headers=headers)
        return _Sent(metadata, whole)

    def _headers(self, record: RawRecord, rejection: Rejection) -> Headers:
        error = storable_error(rejection.error)
        return [
            (DEAD_LETTER_REASON, rejection.reason.encode()),
            (DEAD_LETTER_ERROR, error.encode()),
            (DEAD_LETTER_CONSUMER, self._consumer.encode()),
            *origin_headers(record_ref(record)),
        ]


def storable_error(error: str) -> str:
    """Returns the error as headers and columns can store it: cut, no lone surrogates, no NUL."""
    encodable = error[:_ERROR_MAX_LENGTH].encode("utf-8", "backslashreplace").decode()
    return encodable.replace("\0", "\\0")
