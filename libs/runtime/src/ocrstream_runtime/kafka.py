"""Kafka clients with safe options, a record's coordinates, and size limits."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import AnyEvent
from ocrstream_schemas.headers import Headers, origin_of
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import TOPICS

RawRecord = ConsumerRecord[bytes | None, bytes | None]

# The bytes that Kafka adds to a record: the batch header, lengths, timestamps.
_RECORD_OVERHEAD_BYTES = 256
_HEADER_OVERHEAD_BYTES = 16
_LARGEST_RECORD_BYTES = max(spec.max_message_bytes for spec in TOPICS.values())
# So soon clients learn of new partitions.
_METADATA_MAX_AGE_MS = 10_000


PRODUCER_OPTIONS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "lz4",
    "linger_ms": 5,
    "max_batch_size": 256 * 1024,
    "max_request_size": _LARGEST_RECORD_BYTES,
    "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
}
"""With these options a producer does not lose, duplicate or reorder acknowledged records."""


def check_size(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    """Raises RecordTooLargeError if the uncompressed record exceeds the topic's limit."""
    size = len(key or b"") + len(value or b"") + _RECORD_OVERHEAD_BYTES
    size += sum(len(name) + len(content) + _HEADER_OVERHEAD_BYTES for name, content in headers)
    limit = TOPICS[topic].max_message_bytes
    if size > limit:
        raise RecordTooLargeError(
            f"the record has {size:,} bytes; {topic} accepts at most {limit:,}"
        )


def record_ref(record: RawRecord) -> RecordRef:
    """Returns the record's first coordinates, before any dead letter and redrive."""
    here = RecordRef(record.topic, record.partition, record.offset, record.timestamp)
    return origin_of(record.headers, here)


def decode_event(record: RawRecord) -> AnyEvent:
    """Decodes a record as `codec.decode` does, and bounds its times by its own timestamp, too.

    Raises InvalidRecordError; KeyError if the contract does not have the topic.
    """
    return decode(record.topic, record.value, record_ref(record), record.timestamp)


def create_producer(settings: ServiceSettings, client_id: str) -> AIOKafkaProducer:
    """Creates, but does not start, a producer with PRODUCER_OPTIONS."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        client_id=client_id,
        **PRODUCER_OPTIONS,
    )


def create_consumer(
    settings: ServiceSettings,
    client_id: str,
    *,
    group_id: str | None,
    drain_timeout_s: float = 0.0,
    session_timeout_s: float = 30.0,
    max_partition_fetch_bytes: int = 1024 * 1024,
) -> AIOKafkaConsumer:
    """Creates, but does not start, a consumer that begins at the earliest record.

    It commits only explicitly. Its rebalance listener may take `drain_timeout_s` when partitions
    are revoked. Kafka removes a member that sends no heartbeat for `session_timeout_s`.
    """
    group: dict[str, Any] = {}
    if group_id is not None:
        group = {
            "group_id": group_id,
            # Only one strategy, because members that list several may fail to agree.
            "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
            "session_timeout_ms": int(session_timeout_s * 1000),
            "heartbeat_interval_ms": int(session_timeout_s * 100),
            "max_poll_interval_ms": 15 * 60_000,
            "rebalance_timeout_ms": int((drain_timeout_s + 30) * 1000),
        }
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=max_partition_fetch_bytes,
        metadata_max_age_ms=_METADATA_MAX_AGE_MS,
        **group,
    )


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stops a consumer.

    While no broker answers, `stop` of aiokafka 0.14 raises the CancelledError of a fetch that it
    cancels itself, as if its caller had been cancelled.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping})
    if not stopping.cancelled():
        stopping.result()
