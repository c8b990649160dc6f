"""Detects images that Kafka deleted before the workers' group had read them."""

from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from ocrstream_runtime.kafka import RawRecord
from ocrstream_worker import metrics

logger = structlog.get_logger(__name__)


class RetentionGapDetector:
    """Compares each partition's next offset with the expected one; aiokafka skips gaps silently."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._next_offsets: dict[TopicPartition, int] = {}

    def drop_partition(self, partition: TopicPartition) -> None:
        """Drops the state of a revoked partition."""
        self._next_offsets.pop(partition, None)

    async def check(self, fetched: Mapping[TopicPartition, list[RawRecord]]) -> None:
        """Reports records that Kafka deleted before the ones just fetched.

        Raises KafkaError.
        """
        for partition, records in fetched.items():
            first = records[0].offset
            expected = self._next_offsets.get(partition)
            self._next_offsets[partition] = records[-1].offset + 1
            if expected is None:
                expected = await self._kafka.committed(partition)
            if expected is None or first <= expected:
                continue
            # Transaction markers leave gaps too, so only the log's start offset proves a deletion.
            log_start = (await self._kafka.beginning_offsets([partition]))[partition]
            if log_start > expected:
                metrics.DELETED_UNREAD.labels(partition.topic).inc(log_start - expected)
                logger.error(
                    "images were deleted before they were read; submit them again",
                    topic=partition.topic,
                    partition=partition.partition,
                    offsets=f"{expected} to {log_start - 1}",
                )
