"""Partitions that are not read, because the stored offset is not in their log.

A person decides whether to go on without what is missing, by `ocrstream-recorder skip`.
"""

import time
from collections import Counter
from typing import NamedTuple

import structlog
from aiokafka import TopicPartition

from ocrstream_recorder import recording_metrics
from ocrstream_runtime.errors import NotReadyError
from ocrstream_schemas.topics import RECORDED_TOPICS

logger = structlog.get_logger(__name__)

_CHECK_INTERVAL_S = 5.0
_NAMED_AT_MOST = 3


class _Stop(NamedTuple):
    stored: int
    why: str


class StoppedPartitions:
    """Those of one recorder; every few seconds it checks whether somebody moved their offsets."""

    def __init__(self) -> None:
        self._stops: dict[TopicPartition, _Stop] = {}
        self._next_check_at = 0.0

    def not_due(self) -> set[TopicPartition]:
        """Those that need not be checked now."""
        if time.monotonic() < self._next_check_at:
            return set(self._stops)
        self._next_check_at = time.monotonic() + _CHECK_INTERVAL_S
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
            self._set_gauge()
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
        self._set_gauge()

    def clear(self) -> None:
        """All partitions are given away."""
        self._stops.clear()
        self._set_gauge()

    async def check(self) -> None:
        """Raises NotReadyError while partitions are stopped."""
        if not self._stops:
            return
        reasons = [
            f"{partition.topic} {partition.partition}: {stop.why}"
            for partition, stop in sorted(self._stops.items())
        ]
        count = len(reasons)
        more = f"; and {count - _NAMED_AT_MOST} more" if count > _NAMED_AT_MOST else ""
        raise NotReadyError(
            f"{count} partitions are not read. {'; '.join(reasons[:_NAMED_AT_MOST])}{more}"
        )

    def _set_gauge(self) -> None:
        stopped = Counter(partition.topic for partition in self._stops)
        for topic in RECORDED_TOPICS:
            recording_metrics.PARTITIONS_STOPPED.labels(topic).set(stopped[topic])
