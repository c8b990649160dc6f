"""Hands events to the broker and insists until it has them."""

import asyncio

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ocrstream_runtime.kafka import FATAL_PRODUCER_ERRORS, check_size
from ocrstream_schemas.headers import cloud_event_headers
from ocrstream_worker.outcomes import Message

logger = structlog.get_logger(__name__)

SOURCE = "/ocrstream/ocr-worker"
_BACKOFF_S = 1.0


class Publisher:
    """Publishes events under the key of their chain."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, message: Message, chain_id: str) -> None:
        """Returns when the broker has acknowledged the event, however long it is away.

        Raises RecordTooLarge, with nothing sent, and one of FATAL_PRODUCER_ERRORS if this process
        can never send again.
        """
        key = chain_id.encode()
        headers = cloud_event_headers(message.event, SOURCE)
        check_size(message.topic, key, message.value, headers)
        while True:
            try:
                await self._producer.send_and_wait(
                    message.topic, message.value, key=key, headers=headers
                )
            except FATAL_PRODUCER_ERRORS:
                raise
            except KafkaError as error:
                logger.warning("event not acknowledged, sent again", error=str(error))
                await asyncio.sleep(_BACKOFF_S)
            else:
                return
