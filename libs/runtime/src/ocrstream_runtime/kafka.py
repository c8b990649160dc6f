"""How every service talks to Kafka: safe clients, a record's coordinates, size limits."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.headers import Headers, origin_of
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import TOPICS

RawRecord = ConsumerRecord[bytes | None, bytes | None]

# What the broker adds to a record's own bytes: the batch's header, lengths, timestamps.
_RECORD_OVERHEAD_BYTES = 256
_HEADER_OVERHEAD_BYTES = 16
_LARGEST_RECORD_BYTES = max(spec.max_message_bytes for spec in TOPICS.values())
# How old a client's list of partitions gets: a new one is read, and written to, soon after.
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
"""What makes a producer neither lose, double nor reorder what it acknowledged."""


class RecordTooLarge(ValueError):
    """The record is over its topic's limit and was not sent.

    It must not even be tried: an idempotent producer that had one record refused can never again
    write to that partition.
    """


def check_size(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    """Raises RecordTooLarge if the topic's limit does not hold the record, uncompressed."""
    size = len(key or b"") + len(value or b"") + _RECORD_OVERHEAD_BYTES
    size += sum(len(name) + len(content) + _HEADER_OVERHEAD_BYTES for name, content in headers)
    limit = TOPICS[topic].max_message_bytes
    if size > limit:
        raise RecordTooLarge(f"a record of {size:,} bytes; {topic} takes at most {limit:,}")


def record_ref(record: RawRecord) -> RecordRef:
    """The record's first coordinates, through any number of dead letters and redrives."""
    here = RecordRef(record.topic, record.partition, record.offset, record.timestamp)
    return origin_of(record.headers, here)


def create_producer(settings: ServiceSettings, client_id: str) -> AIOKafkaProducer:
    """A producer that neither loses, doubles nor reorders what it acknowledged; not started."""
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
    """A consumer that starts at the earliest record and commits only when told to; not started.

    `drain_timeout_s` is how long its rebalance listener may take when partitions are revoked. A
    member that is not heard of for `session_timeout_s` is taken for dead.
    """
    group: dict[str, Any] = {}
    if group_id is not None:
        group = {
            "group_id": group_id,
            # Only one: members that list several can fail to agree.
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
    """Stop a consumer.

    While no broker answers, aiokafka 0.14 lets the end of a fetch that it cancels itself escape, as
    if whoever stops the consumer had been cancelled.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping})
    if not stopping.cancelled():
        stopping.result()
