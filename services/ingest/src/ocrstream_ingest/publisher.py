"""Publishes the events of a request to Kafka.

The publisher builds Kafka's record batches itself and gives the producer a batch at a time. A
future for each record and the default partitioner would take twice the time of everything else.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from ocrstream_ingest import metrics
from ocrstream_ingest.partitioner import partition_of
from ocrstream_runtime.errors import (
    ClockRefusedError,
    NotReadyError,
    ProblemError,
    RecordTooLargeError,
)
from ocrstream_runtime.kafka import check_size, create_producer
from ocrstream_runtime.messaging_spans import begin_trace, send_span
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.retries import describe_error
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
from ocrstream_schemas.batch_options import lane_of
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import CommandEvent, ImageSubmitted
from ocrstream_schemas.headers import Headers, cloud_event_headers, cloud_event_headers_of
from ocrstream_schemas.topics import BATCHES_COMMANDS, lane_topic

logger = structlog.get_logger(__name__)

SOURCE = "/ocrstream/ingest"

# The trace headers that publishing adds: `traceparent` and `tracestate`.
_TRACE_HEADER_BYTES = 1024
# Half of the topics' limit, because compression can make incompressible bytes slightly larger.
_BATCH_BYTES = 128 * 1024
_RECORD_OVERHEAD_BYTES = 32
_CHECK_TIMEOUT_S = 2.0
_SEND_AGAIN = "Send the same request again, with the same `Idempotency-Key` or with this `batch_id`"


class Record(NamedTuple):
    """A record of checked size; its headers do not contain the trace context yet."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Publisher:
    """Publishes records to Kafka, after `start`."""

    def __init__(self, settings: ServiceSettings, client_id: str, timeout_s: float) -> None:
        self._producer = RenewableProducer(lambda: create_producer(settings, client_id))
        self._timeout_s = timeout_s
        self._started = False

    async def start(self) -> None:
        """Connects to Kafka. Raises KafkaError."""
        async with self._producer.acquire():
            self._started = True

    async def stop(self) -> None:
        """Sends the records in flight and disconnects."""
        await self._producer.aclose()

    def renew(self) -> None:
        """Replaces the producer, because another cluster has taken the place of the last one."""
        self._producer.renew()

    async def check(self) -> None:
        """Raises NotReadyError unless a broker answers now."""
        if not self._started:
            raise NotReadyError("ingest is not connected to Kafka yet")
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S), self._producer.acquire() as producer:
                await _ping(producer)
        except (KafkaError, TimeoutError) as error:
            raise NotReadyError("no broker answers") from error

    async def publish(self, batch_id: str, records: Sequence[Record]) -> None:
        """Returns when the broker has acknowledged every record.

        Raises ProblemError (503) if the broker does not acknowledge all in time, or refuses one. It
        is safe to publish the same records again.
        """
        commands = [record for record in records if record.topic == BATCHES_COMMANDS]
        images = [record for record in records if record.topic != BATCHES_COMMANDS]
        try:
            async with StarvationAwareTimeout(self._timeout_s):
                await self._publish_traced(commands, images)
        except ClockRefusedError as error:
            raise _clock_refused(batch_id, error) from error
        except (KafkaError, TimeoutError) as error:
            raise _unavailable(batch_id, self._timeout_s, error) from error
        metrics.IMAGES.inc(len(images))

    async def _publish_traced(self, commands: list[Record], images: list[Record]) -> None:
        traced: list[tuple[Record, Headers]] = []
        for command in commands:
            with send_span(command.topic, command.key) as trace_headers:
                traced.append((command, trace_headers))
        # A single image belongs to the request's trace; each of several begins a trace of its own.
        if len(images) == 1:
            with send_span(images[0].topic, images[0].key) as trace_headers:
                await self._publish([*traced, (images[0], trace_headers)])
        else:
            traced += [(image, begin_trace(image.topic, image.key)) for image in images]
            await self._publish(traced)

    async def _publish(self, records: Iterable[tuple[Record, Headers]]) -> None:
        if not self._started:
            raise TimeoutError
        async with self._producer.acquire() as producer:
            await _send_batches(producer, records)


async def _ping(producer: AIOKafkaProducer) -> None:
    """Raises NotReadyError if no broker answers;

    NotReadyError, unlike KafkaError, keeps the producer.
    """
    try:
        await producer.client.fetch_all_metadata()
    except KafkaError as error:
        raise NotReadyError("no broker answers") from error


async def _send_batches(
    producer: AIOKafkaProducer, records: Iterable[tuple[Record, Headers]]
) -> None:
    partition_counts: dict[str, int] = {}
    batches: defaultdict[tuple[str, int], list[BatchBuilder]] = defaultdict(list)
    for record, trace_headers in records:
        topic = record.topic
        if topic not in partition_counts:
            partition_counts[topic] = len(await producer.partitions_for(topic))
        pending = batches[topic, partition_of(record.key, partition_counts[topic])]
        size = len(record.key) + len(record.value) + _RECORD_OVERHEAD_BYTES
        if not pending or pending[-1].size() + size > _BATCH_BYTES:
            pending.append(producer.create_batch())
        pending[-1].append(
            timestamp=None,
            key=record.key,
            value=record.value,
            headers=record.headers + trace_headers,
        )
    await asyncio.gather(
        *(
            _send_in_order(producer, topic, partition, pending)
            for (topic, partition), pending in batches.items()
        )
    )


async def _send_in_order(
    producer: AIOKafkaProducer, topic: str, partition: int, batches: list[BatchBuilder]
) -> None:
    acknowledged: list[asyncio.Future[Any]] = []
    for batch in batches:
        # The producer sends a closed batch at once and does not linger for more records.
        batch.close()
        acknowledged.append(await _enqueue(producer, topic, partition, batch))
    await asyncio.gather(*acknowledged)


async def _enqueue(
    producer: AIOKafkaProducer, topic: str, partition: int, batch: BatchBuilder
) -> asyncio.Future[Any]:
    """Waits, within the caller's timeout, until the producer's queue of the partition has room."""
    while True:
        try:
            return await producer.send_batch(batch, topic, partition=partition)
        except KafkaTimeoutError:
            # The producer gives up in wall time, in which this process may not have had a CPU. It
            # has queued nothing.
            continue


def command_record(event: CommandEvent) -> Record:
    """Returns the command as a record. Raises ProblemError (413) if it is too large."""
    return _record(
        BATCHES_COMMANDS, event.batch_id, encode(event), cloud_event_headers(event, SOURCE)
    )


def image_record(image: ImageSubmitted, value: bytes, headers: Headers) -> Record:
    """Returns the record of an image, encoded as `value`, for the topic of its lane.

    `headers` are those of `image_headers`. Raises ProblemError (413) if the record is too large.
    """
    topic = lane_topic(lane_of(image.options))
    with_id = [*headers, ("ce_id", os.urandom(16).hex().encode())]
    return _record(topic, str(image.chain_id), value, with_id)


def image_headers() -> Headers:
    """Returns the headers that all images of a request share: CloudEvents without `ce_id`."""
    headers = cloud_event_headers_of(ImageSubmitted.__name__, SOURCE, "")
    return [header for header in headers if header[0] != "ce_id"]


def _record(topic: str, key: str, value: bytes, headers: Headers) -> Record:
    record = Record(topic, key.encode(), value, headers)
    try:
        check_size(topic, record.key + bytes(_TRACE_HEADER_BYTES), value, headers)
    except RecordTooLargeError as error:
        raise ProblemError(413, "Event too large", f"options: {error}") from error
    return record


def _clock_refused(batch_id: str, error: ClockRefusedError) -> ProblemError:
    logger.error("Kafka refuses events because of the clock", batch_id=batch_id, error=str(error))
    return ProblemError(
        503,
        "The clock is wrong",
        f"Kafka did not accept all events of batch {batch_id!r}. On ingest's machine: {error}",
        headers={"Retry-After": "60"},
        remedy=f"Set the clock. {_SEND_AGAIN}",
        batch_id=batch_id,
    )


def _unavailable(batch_id: str, timeout_s: float, error: KafkaError | TimeoutError) -> ProblemError:
    logger.warning(
        "Kafka does not acknowledge events", batch_id=batch_id, error=describe_error(error)
    )
    return ProblemError(
        503,
        "Kafka unavailable",
        f"Kafka did not acknowledge all events of batch {batch_id!r} within {timeout_s:g} s",
        headers={"Retry-After": "5"},
        remedy=_SEND_AGAIN,
        batch_id=batch_id,
    )
