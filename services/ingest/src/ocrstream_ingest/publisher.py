"""Publishes a request's events, all or an error."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.errors import KafkaError
from faststream.exceptions import IncorrectState
from faststream.kafka import KafkaBroker

from ocrstream_ingest import metrics
from ocrstream_runtime.kafka import FATAL_PRODUCER_ERRORS, RecordTooLarge, check_size
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, ImageSubmitted
from ocrstream_schemas.headers import Headers, cloud_event_headers
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED

SOURCE = "/ocrstream/ingest"

# FastStream adds a correlation id and a content type, a span its `traceparent` and `tracestate`.
_ADDED_BYTES = 1024


class _Message(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Publisher:
    """Events to the broker, through FastStream. `failed` is set when it can never send again."""

    def __init__(self, broker: KafkaBroker, timeout_s: float) -> None:
        self._broker = broker
        self._timeout_s = timeout_s
        self.failed = asyncio.Event()

    async def publish(
        self, batch_id: str, batch: BatchSubmitted | None, images: Sequence[ImageSubmitted]
    ) -> None:
        """Returns when the broker has acknowledged every event.

        Raises Problem: 413 if an event is too large, with nothing sent; 503 if the broker did not
        acknowledge all in time. Sending the same again is always safe.
        """
        messages = [_message(IMAGES_SUBMITTED, str(image.chain_id), image) for image in images]
        if batch is not None:
            messages.insert(0, _message(BATCHES_COMMANDS, batch_id, batch))
        # One image is one trace: the request's own, unless the request has several.
        own_trace = len(images) > 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(
                    *(
                        self._send(
                            message, own_trace=own_trace and message.topic != BATCHES_COMMANDS
                        )
                        for message in messages
                    )
                )
        except FATAL_PRODUCER_ERRORS:
            self.failed.set()
            raise
        except (KafkaError, IncorrectState, TimeoutError) as error:
            raise Problem(
                503,
                "Kafka unavailable",
                f"Not all events of batch {batch_id!r} were acknowledged"
                f" within {self._timeout_s:g} s; send the same request with this batch_id again",
                headers={"Retry-After": "5"},
                batch_id=batch_id,
            ) from error
        metrics.IMAGES.inc(len(images))

    async def _send(self, message: _Message, *, own_trace: bool) -> None:
        with send_span(message.topic, message.key, own_trace=own_trace) as carried_on:
            headers = {name: content.decode() for name, content in message.headers + carried_on}
            await self._broker.publish(
                message.value, message.topic, key=message.key, headers=headers
            )


def _message(topic: str, key: str, event: BatchSubmitted | ImageSubmitted) -> _Message:
    message = _Message(topic, key.encode(), encode(event), cloud_event_headers(event, SOURCE))
    try:
        check_size(topic, message.key + bytes(_ADDED_BYTES), message.value, message.headers)
    except RecordTooLarge as error:
        raise Problem(413, "Event too large", f"options: {error}") from error
    return message
