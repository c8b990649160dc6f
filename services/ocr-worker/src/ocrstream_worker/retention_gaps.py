"""Notices images that Kafka deleted before the workers' group had taken them."""

from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from ocrstream_runtime.kafka import RawRecord
from ocrstream_worker import metrics

logger = structlog.get_logger(__name__)


class RetentionGapDetector:
    """Compares where each partition goes on with where it should: aiokafka passes over a gap."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._next: dict[TopicPartition, int] = {}

    def forget(self, partition: TopicPartition) -> None:
        """The partition is given away."""
        self._next.pop(partition, None)

    async def look(self, found: Mapping[TopicPartition, list[RawRecord]]) -> None:
        """Tell of what was deleted before these records, just read. Raises KafkaError."""
        for partition, records in found.items():
            first = records[0].offset
            expected = self._next.get(partition)
            self._next[partition] = records[-1].offset + 1
            if expected is None:
                expected = await self._kafka.committed(partition)
            if expected is None or first <= expected:
                continue
            # Markers of transactions leave gaps, too.
            begin = (await self._kafka.beginning_offsets([partition]))[partition]
            if begin > expected:
                metrics.DELETED_UNREAD.labels(partition.topic).inc(begin - expected)
                logger.error(
                    "images were deleted before they were read; submit them again",
                    topic=partition.topic,
                    partition=partition.partition,
                    offsets=f"{expected} to {begin - 1}",
                )
