"""Partitions that are not read, because the stored offset is not in their log.

Whether to go on without what is missing is for a person to say, by `ocrstream-recorder skip`.
"""

import time
from collections import Counter
from typing import NamedTuple

import structlog
from aiokafka import TopicPartition

from ocrstream_recorder import recording_metrics
from ocrstream_runtime.health import NotReady
from ocrstream_schemas.topics import RECORDED_TOPICS

logger = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 5.0
_TOLD_AT_MOST = 3


class _Stop(NamedTuple):
    stored: int
    why: str


class StoppedPartitions:
    """Those of one recorder; every few seconds it looks whether somebody has moved their offset."""

    def __init__(self) -> None:
        self._stops: dict[TopicPartition, _Stop] = {}
        self._look_at = 0.0

    def not_due(self) -> set[TopicPartition]:
        """Those that need not be looked at now."""
        if time.monotonic() < self._look_at:
            return set(self._stops)
        self._look_at = time.monotonic() + _LOOK_AGAIN_S
        return set()

    def remains(self, partition: TopicPartition, stored: int, begin: int, end: int) -> bool:
        """Whether the partition is stopped, with its log from `begin` to before `end`.

        One that was stopped goes on only once its stored offset was moved: a log that was made anew
        may have grown beyond it meanwhile.
        """
        before = self._stops.get(partition)
        if before is not None and before.stored == stored:
            return True
        if not begin <= stored <= end:
            self.stop(partition, stored, begin, end)
            return True
        if self._stops.pop(partition, None):
            logger.warning(
                "partition goes on", topic=partition.topic, partition=partition.partition, at=stored
            )
            self._tell()
        return False

    def stop(self, partition: TopicPartition, stored: int, begin: int, end: int) -> None:
        """Its log, from `begin` to before `end`, is not the one that the stored offset is of."""
        if stored < begin:
            why = (
                f"records {stored} to {begin - 1} were deleted before they were recorded, the log"
                f" begins at {begin}; they are lost, to go on without them:"
            )
        else:
            why = (
                f"{stored} was to be recorded next, but the log was made anew, or has lost its"
                f" newest records, and holds {begin} to {end - 1}; to record all that it holds:"
            )
        why += f" ocrstream-recorder skip {partition.topic} {partition.partition}"
        logger.error(
            "partition stopped",
            topic=partition.topic,
            partition=partition.partition,
            stored_offset=stored,
            log_begin=begin,
            log_end=end,
            why=why,
        )
        self._stops[partition] = _Stop(stored, why)
        self._tell()

    def clear(self) -> None:
        """All partitions are given away."""
        self._stops.clear()
        self._tell()

    async def check(self) -> None:
        """Raises NotReady while partitions are stopped."""
        if not self._stops:
            return
        told = [
            f"{one.topic} {one.partition}: {stop.why}" for one, stop in sorted(self._stops.items())
        ]
        more = f"; and {len(told) - _TOLD_AT_MOST} more" if len(told) > _TOLD_AT_MOST else ""
        raise NotReady(
            f"{len(told)} partitions are not read. {'; '.join(told[:_TOLD_AT_MOST])}{more}"
        )

    def _tell(self) -> None:
        stopped = Counter(one.topic for one in self._stops)
        for topic in RECORDED_TOPICS:
            recording_metrics.PARTITIONS_STOPPED.labels(topic).set(stopped[topic])
