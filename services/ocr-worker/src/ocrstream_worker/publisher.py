"""Publishes events, and retries until the broker has acknowledged them."""

import asyncio
import time

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError

from ocrstream_runtime.errors import ClockRefusedError, NotReadyError, RecordTooLargeError
from ocrstream_runtime.kafka import check_size
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.retries import OUTAGE_BACKOFF
from ocrstream_schemas.headers import Headers, cloud_event_headers
from ocrstream_schemas.times import record_timestamp_ms
from ocrstream_worker.result_events import OutgoingEvent, without_options

logger = structlog.get_logger(__name__)

SOURCE = "/ocrstream/ocr-worker"


class KafkaPublisher:
    """Publishes events, keyed by their chain."""

    def __init__(self, producer: RenewableProducer) -> None:
        self._producer = producer
        self._clock_errors: dict[str, ClockRefusedError] = {}

    async def check(self) -> None:
        """Raises NotReadyError while the broker refuses the events' timestamps."""
        for topic, error in self._clock_errors.items():
            raise NotReadyError(f"{topic}: {error}")

    async def publish(self, outgoing: OutgoingEvent, chain_id: str) -> None:
        """Returns when the broker has acknowledged the event.

        It retries as long as the broker is unavailable, or refuses the timestamps of this machine's
        clock. An event that does not fit into its topic is sent without `options`, which the
        submission holds too.

        Raises RecordTooLargeError, with nothing sent, if it still does not fit, and KafkaError for
        a permanent failure: the process then cannot continue.
        """
        key = chain_id.encode()
        with send_span(outgoing.topic, key) as trace_headers:
            headers = [*cloud_event_headers(outgoing.event, SOURCE), *trace_headers]
            await self._send_until_acknowledged(_fit_to_topic(outgoing, key, headers), key, headers)

    async def _send_until_acknowledged(
        self, outgoing: OutgoingEvent, key: bytes, headers: Headers
    ) -> None:
        try:
            # Not `retry`: it would retry each KafkaError, and no event stops a send.
            for pause_s in OUTAGE_BACKOFF.pauses():
                if await self._try_send(outgoing, key, headers):
                    return
                await asyncio.sleep(pause_s)
        finally:
            # Another event for the topic that still waits records its error again.
            self._clock_errors.pop(outgoing.topic, None)

    async def _try_send(self, outgoing: OutgoingEvent, key: bytes, headers: Headers) -> bool:
        """Returns False after a transient failure."""
        try:
            async with self._producer.acquire() as producer:
                await producer.send_and_wait(
                    outgoing.topic,
                    outgoing.value,
                    key=key,
                    headers=headers,
                    timestamp_ms=record_timestamp_ms(outgoing.value, int(time.time() * 1000)),
                )
        except ClockRefusedError as error:
            if outgoing.topic not in self._clock_errors:
                logger.error(
                    "broker refuses the events' timestamps, their images wait",
                    topic=outgoing.topic,
                    error=str(error),
                )
            self._clock_errors[outgoing.topic] = error
            return False
        except KafkaError as error:
            # aiokafka does not mark the timeout of a full send buffer as retriable.
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            logger.warning("event not acknowledged, sending it again", error=str(error))
            return False
        return True


def _fit_to_topic(outgoing: OutgoingEvent, key: bytes, headers: Headers) -> OutgoingEvent:
    try:
        check_size(outgoing.topic, key, outgoing.value, headers)
    except RecordTooLargeError:
        outgoing = without_options(outgoing)
        check_size(outgoing.topic, key, outgoing.value, headers)
    return outgoing
