"""Writes what cannot be applied to the dead-letter topic of where it came from."""

import asyncio
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaProducer

from ocrstream_recorder import metrics
from ocrstream_recorder.intake import Judged, Rejection
from ocrstream_runtime.kafka import RecordTooLarge, check_size, record_ref
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


class DeadLetters:
    """Sends rejected records on: key and value unchanged, headers tell why and where from."""

    def __init__(self, producer: AIOKafkaProducer, consumer: str) -> None:
        self._producer = producer
        self._consumer = consumer

    async def publish(self, judged: Iterable[Judged]) -> None:
        """Returns when the broker has every rejected one; raises KafkaError if it has not.

        At least once: a poll that is tried again writes its dead letters again.
        """
        sent = [await self._send(one, one.rejection) for one in judged if one.rejection is not None]
        await asyncio.gather(*sent)

    async def _send(self, judged: Judged, rejection: Rejection) -> asyncio.Future[object]:
        record, topic = judged.record, dead_letter_topic(judged.record.topic)
        with send_span(topic, record.key, context=trace_context(record.headers)) as carried_on:
            error, value = rejection.error, record.value
            headers = self._headers(judged, rejection.reason, error) + carried_on
            try:
                check_size(topic, record.key, value, headers)
            except RecordTooLarge as too_large:
                # Compressed it fitted into its own topic. Its value can still be read there.
                error = f"{error} (value left out, read it at its origin: {too_large})"
                headers = self._headers(judged, rejection.reason, error) + carried_on
                value = None
            ref = record_ref(record)
            logger.warning(
                "dead letter",
                topic=ref.topic,
                partition=ref.partition,
                offset=ref.offset,
                reason=rejection.reason,
                error=error[:_ERROR_MAX_LENGTH],
            )
            metrics.DEAD_LETTERS.labels(record.topic, rejection.reason).inc()
            return await self._producer.send(topic, key=record.key, value=value, headers=headers)

    def _headers(self, judged: Judged, reason: str, error: str) -> Headers:
        return [
            (DEAD_LETTER_REASON, reason.encode()),
            (DEAD_LETTER_ERROR, error[:_ERROR_MAX_LENGTH].encode("utf-8", "backslashreplace")),
            (DEAD_LETTER_CONSUMER, self._consumer.encode()),
            *origin_headers(record_ref(judged.record)),
        ]
