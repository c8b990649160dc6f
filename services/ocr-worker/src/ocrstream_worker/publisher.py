"""Hands events to the broker and insists until it has them."""

import asyncio

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError

from ocrstream_runtime.clock import ClockRefusedError
from ocrstream_runtime.health import NotReady
from ocrstream_runtime.kafka import RecordTooLarge, check_size
from ocrstream_runtime.lasting_producer import LastingProducer
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_schemas.headers import Headers, cloud_event_headers
from ocrstream_worker.result_events import OutgoingEvent, without_options

logger = structlog.get_logger(__name__)

SOURCE = "/ocrstream/ocr-worker"
_BACKOFF_S = 1.0


class KafkaPublisher:
    """Publishes events under the key of their chain."""

    def __init__(self, producer: LastingProducer) -> None:
        self._producer = producer
        self._refused: dict[str, ClockRefusedError] = {}

    async def check(self) -> None:
        """Raises NotReady while the broker refuses the times of events."""
        for topic, error in self._refused.items():
            raise NotReady(f"{topic}: {error}")

    async def publish(self, message: OutgoingEvent, chain_id: str) -> None:
        """Returns when the broker has acknowledged the event, however long it is away, or this
        machine's clock is wrong.

        An event that does not fit into its topic goes without its `options`; they stand in the
        submission, too. Raises RecordTooLarge, with nothing sent, if it does not fit even so, and
        KafkaError for what does not pass by itself: then this process can do no more.
        """
        key = chain_id.encode()
        with send_span(message.topic, key) as carried_on:
            headers = [*cloud_event_headers(message.event, SOURCE), *carried_on]
            await self._insist(_fitting(message, key, headers), key, headers)

    async def _insist(self, message: OutgoingEvent, key: bytes, headers: Headers) -> None:
        try:
            while True:
                if await self._sent(message, key, headers):
                    return
                await asyncio.sleep(_BACKOFF_S)
        finally:
            # Whoever waits beside it finds out anew.
            self._refused.pop(message.topic, None)

    async def _sent(self, message: OutgoingEvent, key: bytes, headers: Headers) -> bool:
        """Whether the broker has it; False if it may once the trouble has passed."""
        try:
            async with self._producer.lent() as producer:
                await producer.send_and_wait(message.topic, message.value, key=key, headers=headers)
        except ClockRefusedError as error:
            if message.topic not in self._refused:
                logger.error(
                    "events cannot be published, their images are kept until they can",
                    topic=message.topic,
                    error=str(error),
                )
            self._refused[message.topic] = error
            return False
        except KafkaError as error:
            # A full buffer is no error of the broker's, so it is not marked as retriable.
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            logger.warning("event not acknowledged, sent again", error=str(error))
            return False
        return True


def _fitting(message: OutgoingEvent, key: bytes, headers: Headers) -> OutgoingEvent:
    try:
        check_size(message.topic, key, message.value, headers)
    except RecordTooLarge:
        message = without_options(message)
        check_size(message.topic, key, message.value, headers)
    return message
