"""A circuit breaker that keeps a topic from draining into its dead-letter topic.

Of each partition it counts by how many its dead letters outnumber its good records, never below
zero. At the limit the partition's circuit opens: nothing is read. After pauses that grow it is half
open and lets one record through as a trial; once one is good the circuit closes.

The count needs no place of its own: it follows from the last offsets and the register of dead
letters. So a restart, or the next owner of the partition, goes on with it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection

import structlog

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.recording.decoding import DecodedRecord
from ocrstream_runtime.errors import NotReadyError
from ocrstream_schemas.topics import RECORDED_TOPICS

logger = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class DeadLetterBreaker:
    """Which partitions may be read, and which of their records may be written.

    `limit`: by how many the dead letters of a partition may outnumber its good records.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._excess: dict[Partition, int] = {}
        # Of open partitions: when each is half open, and the offset of a trial under way.
        self._half_open_at: dict[Partition, float] = {}
        self._trials: dict[Partition, int] = {}
        self._pause_s: defaultdict[Partition, float] = defaultdict(lambda: _FIRST_PAUSE_S)
        self._last_error: dict[Partition, str] = {}

    @property
    def window(self) -> int:
        """How many offsets `begin` wants to know about."""
        return 2 * self.limit

    def begin(self, partition: Partition, next_offset: int, dead: Collection[int]) -> None:
        """Take a partition up at an offset; `dead`: those in the window that are dead letters."""
        self._excess[partition] = 0
        self._trials.pop(partition, None)
        for offset in range(max(0, next_offset - self.window), next_offset):
            self._count(partition, dead=offset in dead)
        if self._excess[partition] < self.limit:
            self._close(partition)
        elif partition not in self._half_open_at:
            # At once: what was wrong may be mended, that may be why it was taken up.
            self._open(partition, half_open_in_s=0.0)

    def clear(self) -> None:
        """All partitions are given away."""
        for kept in (
            *(self._excess, self._half_open_at, self._trials),
            *(self._pause_s, self._last_error),
        ):
            kept.clear()
        self._set_gauge()

    def may_read(self, partition: Partition) -> bool:
        """Whether it is closed or half open."""
        return self._clock() >= self._half_open_at.get(partition, 0.0)

    def admit(self, records: list[DecodedRecord]) -> list[DecodedRecord]:
        """Those that may be written now; what follows them in their partitions has to wait.

        `records` are of partitions that may be read, each in the order of its offsets.
        """
        if not self._half_open_at and not any(self._excess.values()) and _all_good(records):
            return records
        admitted: list[DecodedRecord] = []
        waiting: set[Partition] = set()
        for decoded in records:
            partition = _partition(decoded)
            if partition in waiting:
                continue
            if partition in self._half_open_at:
                # Whether it is good is known when it is written.
                self._trials[partition] = decoded.record.offset
                self._stay_open(partition)
                waiting.add(partition)
            else:
                self._count(partition, dead=decoded.rejection is not None)
                if self._excess[partition] >= self.limit:
                    self._open(partition, half_open_in_s=_FIRST_PAUSE_S)
                    waiting.add(partition)
            if decoded.rejection is not None:
                self._last_error[partition] = decoded.rejection.error
            admitted.append(decoded)
        return admitted

    def written(self, records: list[DecodedRecord]) -> bool:
        """Admitted records are written. Returns whether some that were counted as good were not:
        then `begin` has to count their partitions anew.
        """
        if not self._trials and _all_good(records):
            return False
        must_recount = False
        for decoded in records:
            partition, rejection = _partition(decoded), decoded.rejection
            if self._trials.get(partition) == decoded.record.offset:
                del self._trials[partition]
                self._count(partition, dead=rejection is not None)
                if self._excess[partition] < self.limit:
                    self._close(partition)
            elif rejection is not None and rejection.reason == "refused_by_database":
                must_recount = True
                self._last_error[partition] = rejection.error
        return must_recount

    async def check(self) -> None:
        """Raises NotReadyError while partitions are open."""
        if not self._half_open_at:
            return
        open_by_topic = Counter(topic for topic, _ in self._half_open_at)
        errors = [
            error
            for partition, error in self._last_error.items()
            if partition in self._half_open_at
        ]
        counts = ", ".join(
            f"{count} partitions of {topic}" for topic, count in sorted(open_by_topic.items())
        )
        last = f", like: {errors[-1]}" if errors else ""
        raise NotReadyError(
            f"{counts} are throttled, because most of their records cannot be applied{last}. See:"
            " ocrstream dlq list. Mend the producer or the recorder, and they go on by themselves;"
            " or raise OCRSTREAM_DEAD_LETTER_LIMIT"
        )

    def _count(self, partition: Partition, *, dead: bool) -> None:
        change = 1 if dead else -1
        self._excess[partition] = min(max(0, self._excess[partition] + change), self.limit)

    def _open(self, partition: Partition, half_open_in_s: float) -> None:
        topic, number = partition
        logger.error(
            "partition throttled: most of its records become dead letters",
            topic=topic,
            partition=number,
            error=self._last_error.get(partition),
        )
        self._half_open_at[partition] = self._clock() + half_open_in_s
        self._set_gauge()

    def _stay_open(self, partition: Partition) -> None:
        pause_s = self._pause_s[partition]
        self._half_open_at[partition] = self._clock() + pause_s
        self._pause_s[partition] = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _close(self, partition: Partition) -> None:
        self._pause_s.pop(partition, None)
        if self._half_open_at.pop(partition, None) is not None:
            topic, number = partition
            logger.warning("partition goes on", topic=topic, partition=number)
            self._set_gauge()

    def _set_gauge(self) -> None:
        open_by_topic = Counter(topic for topic, _ in self._half_open_at)
        for topic in RECORDED_TOPICS:
            recording_metrics.PARTITIONS_THROTTLED.labels(topic).set(open_by_topic[topic])


def _all_good(records: list[DecodedRecord]) -> bool:
    """Whether there is nothing to count, as nearly always."""
    return all(decoded.rejection is None for decoded in records)


def _partition(decoded: DecodedRecord) -> Partition:
    return decoded.record.topic, decoded.record.partition
