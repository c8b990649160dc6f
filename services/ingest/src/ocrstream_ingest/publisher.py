"""Publishes a request's events, all or an error.

Records are put into Kafka's batches here and handed to the producer a batch at a time: a future for
each record and the default partitioner would take twice the time of everything else together.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from ocrstream_ingest import metrics
from ocrstream_ingest.partitioner import partition_of
from ocrstream_runtime.clock import ClockRefusedError
from ocrstream_runtime.health import NotReady
from ocrstream_runtime.kafka import RecordTooLarge, check_size, create_producer
from ocrstream_runtime.lasting_producer import LastingProducer
from ocrstream_runtime.messaging_spans import begin_trace, send_span
from ocrstream_runtime.patience import Patience
from ocrstream_runtime.problems import Problem
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.batch_options import lane_of
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import CommandEvent, ImageSubmitted
from ocrstream_schemas.headers import Headers, cloud_event_headers, cloud_event_headers_of
from ocrstream_schemas.topics import BATCHES_COMMANDS, lane_topic

logger = structlog.get_logger(__name__)

SOURCE = "/ocrstream/ingest"

# `traceparent` and `tracestate` of a span.
_ADDED_BYTES = 1024
# Half of what the topics take: compression can make incompressible bytes a little larger.
_BATCH_BYTES = 128 * 1024
_RECORD_OVERHEAD_BYTES = 32
_CHECK_TIMEOUT_S = 2.0


class Record(NamedTuple):
    """What is sent; its size was checked, its trace is not in the headers yet."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Sender(Protocol):
    """Where events go to."""

    async def send(self, batch_id: str, records: Sequence[Record]) -> None:
        """Returns when the broker has acknowledged every record; raises Problem (503)."""
        ...


class Publisher:
    """Records to the broker, once it is started."""

    def __init__(self, settings: ServiceSettings, client_id: str, timeout_s: float) -> None:
        self._producer = LastingProducer(lambda: create_producer(settings, client_id))
        self._timeout_s = timeout_s
        self._started = False

    async def start(self) -> None:
        """Connect; raises KafkaError."""
        async with self._producer.lent():
            self._started = True

    async def stop(self) -> None:
        """Send what is in flight and disconnect."""
        await self._producer.aclose()

    def renew(self) -> None:
        """Another cluster is there: what comes next is sent by a fresh producer."""
        self._producer.renew()

    async def check(self) -> None:
        """Raises NotReady unless a broker answers now."""
        if not self._started:
            raise NotReady("not connected yet")
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S), self._producer.lent() as producer:
                await _ask(producer)
        except (KafkaError, TimeoutError) as error:
            raise NotReady("no broker answers") from error

    async def send(self, batch_id: str, records: Sequence[Record]) -> None:
        """Returns when the broker has acknowledged every record.

        Raises Problem (503) if it did not in time, or refused one. Sending the same again is always
        safe.
        """
        commands = [record for record in records if record.topic == BATCHES_COMMANDS]
        images = [record for record in records if record.topic != BATCHES_COMMANDS]
        try:
            async with Patience(self._timeout_s):
                await self._send_traced(commands, images)
        except ClockRefusedError as error:
            raise _clock_refused(batch_id, error) from error
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(batch_id, self._timeout_s) from error
        metrics.IMAGES.inc(len(images))

    async def _send_traced(self, commands: list[Record], images: list[Record]) -> None:
        traced: list[tuple[Record, Headers]] = []
        for command in commands:
            with send_span(command.topic, command.key) as carried_on:
                traced.append((command, carried_on))
        # One image is one trace: the request's own, or one each where there are several.
        if len(images) == 1:
            with send_span(images[0].topic, images[0].key) as carried_on:
                await self._send([*traced, (images[0], carried_on)])
        else:
            traced += [(image, begin_trace(image.topic, image.key)) for image in images]
            await self._send(traced)

    async def _send(self, records: Iterable[tuple[Record, Headers]]) -> None:
        if not self._started:
            raise TimeoutError
        async with self._producer.lent() as producer:
            await _send_by(producer, records)


async def _ask(producer: AIOKafkaProducer) -> None:
    """Ask a broker for something. Raises NotReady, for a producer that is to be kept."""
    try:
        await producer.client.fetch_all_metadata()
    except KafkaError as error:
        raise NotReady("no broker answers") from error


async def _send_by(producer: AIOKafkaProducer, records: Iterable[tuple[Record, Headers]]) -> None:
    counts: dict[str, int] = {}
    batches: defaultdict[tuple[str, int], list[BatchBuilder]] = defaultdict(list)
    for record, carried_on in records:
        topic = record.topic
        if topic not in counts:
            counts[topic] = len(await producer.partitions_for(topic))
        waiting = batches[topic, partition_of(record.key, counts[topic])]
        size = len(record.key) + len(record.value) + _RECORD_OVERHEAD_BYTES
        if not waiting or waiting[-1].size() + size > _BATCH_BYTES:
            waiting.append(producer.create_batch())
        waiting[-1].append(
            timestamp=None,
            key=record.key,
            value=record.value,
            headers=record.headers + carried_on,
        )
    await asyncio.gather(
        *(
            _send_in_order(producer, topic, partition, waiting)
            for (topic, partition), waiting in batches.items()
        )
    )


async def _send_in_order(
    producer: AIOKafkaProducer, topic: str, partition: int, batches: list[BatchBuilder]
) -> None:
    acknowledged: list[asyncio.Future[Any]] = []
    for batch in batches:
        # Closed, it does not linger for more.
        batch.close()
        acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledged)


def command_record(event: CommandEvent) -> Record:
    """The event as a record. Raises Problem (413) if it is too large."""
    return _record(
        BATCHES_COMMANDS, event.batch_id, encode(event), cloud_event_headers(event, SOURCE)
    )


def image_record(image: ImageSubmitted, value: bytes, headers: Headers) -> Record:
    """The image, encoded as `value`, as a record of its lane; `headers`: see `image_headers`.

    Raises Problem (413) if it is too large.
    """
    topic = lane_topic(lane_of(image.options))
    own = [*headers, ("ce_id", os.urandom(16).hex().encode())]
    return _record(topic, str(image.chain_id), value, own)


def image_headers() -> Headers:
    """What the headers of all images of a moment have in common: all but `ce_id`."""
    headers = cloud_event_headers_of(ImageSubmitted.__name__, SOURCE, "")
    return [header for header in headers if header[0] != "ce_id"]


def _record(topic: str, key: str, value: bytes, headers: Headers) -> Record:
    record = Record(topic, key.encode(), value, headers)
    try:
        check_size(topic, record.key + bytes(_ADDED_BYTES), value, headers)
    except RecordTooLarge as error:
        raise Problem(413, "Event too large", f"options: {error}") from error
    return record


def _clock_refused(batch_id: str, error: ClockRefusedError) -> Problem:
    logger.error("events are refused", batch_id=batch_id, error=str(error))
    return Problem(
        503,
        "The clock is wrong",
        f"Events of batch {batch_id!r} are not taken. From ingest: {error}. Once it is, send the"
        " same request with the same Idempotency-Key, or with this batch_id, again",
        headers={"Retry-After": "60"},
        batch_id=batch_id,
    )


def _unavailable(batch_id: str, timeout_s: float) -> Problem:
    return Problem(
        503,
        "Kafka unavailable",
        f"Not all events of batch {batch_id!r} were acknowledged within {timeout_s:g} s; send the"
        " same request with the same Idempotency-Key, or with this batch_id, again",
        headers={"Retry-After": "5"},
        batch_id=batch_id,
    )
