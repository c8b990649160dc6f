"""Publishes a request's events, all or an error."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from faststream.exceptions import IncorrectState
from faststream.kafka import KafkaBroker

from ocrstream_ingest import metrics
from ocrstream_runtime.kafka import FATAL_PRODUCER_ERRORS, RecordTooLarge, check_size
from ocrstream_runtime.problems import Problem
from ocrstream_runtime.tracing import trace_headers
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, ImageSubmitted
from ocrstream_schemas.headers import cloud_event_headers
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED

SOURCE = "/ocrstream/ingest"

# FastStream adds a correlation id and a content type.
_ADDED_BYTES = 200


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
        events: list[tuple[str, str, BatchSubmitted | ImageSubmitted]] = [
            (IMAGES_SUBMITTED, str(image.chain_id), image) for image in images
        ]
        if batch is not None:
            events.insert(0, (BATCHES_COMMANDS, batch_id, batch))
        messages = [_message(topic, key, event) for topic, key, event in events]
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(
                    *(
                        self._broker.publish(value, topic, key=key, headers=headers)
                        for topic, key, value, headers in messages
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


def _message(
    topic: str, key: str, event: BatchSubmitted | ImageSubmitted
) -> tuple[str, bytes, bytes, dict[str, str]]:
    value = encode(event)
    headers = [*cloud_event_headers(event, SOURCE), *trace_headers()]
    try:
        check_size(topic, key.encode() + bytes(_ADDED_BYTES), value, headers)
    except RecordTooLarge as error:
        raise Problem(413, "Event too large", f"options: {error}") from error
    return topic, key.encode(), value, {name: content.decode() for name, content in headers}
