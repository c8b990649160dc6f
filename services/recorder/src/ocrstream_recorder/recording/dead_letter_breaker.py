"""Keeps a topic from draining into its dead-letter topic.

Of each partition it counts by how many its dead letters outnumber its good records, never below
zero. At the limit the partition is held: one record at a time is let through as a probe, after
pauses that grow; once one is good the partition goes on.

The count needs no place of its own: it is what the last offsets and the register of dead letters
tell. So a restart, or the next owner of the partition, goes on with it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection

import structlog

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.recording.decoding import DecodedRecord
from ocrstream_runtime.health import NotReady
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
        # Of held partitions: when the next probe is due, and the offset of one under way.
        self._probe_at: dict[Partition, float] = {}
        self._probing: dict[Partition, int] = {}
        self._pause_s: defaultdict[Partition, float] = defaultdict(lambda: _FIRST_PAUSE_S)
        self._last_error: dict[Partition, str] = {}
        self.must_recount = False
        """Whether records that were admitted as good were not: then `begin` has to count anew."""

    @property
    def window(self) -> int:
        """How many offsets `begin` wants to know about."""
        return 2 * self.limit

    def begin(self, partition: Partition, next_offset: int, dead: Collection[int]) -> None:
        """Take a partition up at an offset; `dead`: those in the window that are dead letters."""
        self._excess[partition] = 0
        self._probing.pop(partition, None)
        for offset in range(max(0, next_offset - self.window), next_offset):
            self._count(partition, dead=offset in dead)
        if self._excess[partition] < self.limit:
            self._release(partition)
        elif partition not in self._probe_at:
            # At once: what was wrong may be mended, that may be why it was taken up.
            self._hold(partition, probe_in_s=0.0)

    def forget(self) -> None:
        """All partitions are given away."""
        for kept in (
            *(self._excess, self._probe_at, self._probing),
            *(self._pause_s, self._last_error),
        ):
            kept.clear()
        self._tell()

    def may_read(self, partition: Partition) -> bool:
        """Whether it is not held, or its next probe is due."""
        return self._clock() >= self._probe_at.get(partition, 0.0)

    def admit(self, judged: list[DecodedRecord]) -> list[DecodedRecord]:
        """Those that may be written now; what follows them in their partitions has to wait.

        `judged` are of partitions that may be read, each in the order of its offsets.
        """
        if not self._probe_at and not any(self._excess.values()) and _all_good(judged):
            return judged
        admitted: list[DecodedRecord] = []
        waiting: set[Partition] = set()
        for one in judged:
            partition = _partition(one)
            if partition in waiting:
                continue
            if partition in self._probe_at:
                # What comes of it is known when it is written.
                self._probing[partition] = one.record.offset
                self._postpone_probe(partition)
                waiting.add(partition)
            else:
                self._count(partition, dead=one.rejection is not None)
                if self._excess[partition] >= self.limit:
                    self._hold(partition, probe_in_s=_FIRST_PAUSE_S)
                    waiting.add(partition)
            if one.rejection is not None:
                self._last_error[partition] = one.rejection.error
            admitted.append(one)
        return admitted

    def written(self, judged: list[DecodedRecord]) -> None:
        """What became of admitted records."""
        if not self._probing and _all_good(judged):
            return
        for one in judged:
            partition = _partition(one)
            if self._probing.get(partition) == one.record.offset:
                del self._probing[partition]
                self._count(partition, dead=one.rejection is not None)
                if self._excess[partition] < self.limit:
                    self._release(partition)
            elif one.rejection is not None and one.rejection.reason == "refused_by_database":
                self.must_recount = True
                self._last_error[partition] = one.rejection.error

    async def check(self) -> None:
        """Raises NotReady while partitions are held."""
        if not self._probe_at:
            return
        held = Counter(topic for topic, _ in self._probe_at)
        errors = [error for one, error in self._last_error.items() if one in self._probe_at]
        told = ", ".join(f"{count} partitions of {topic}" for topic, count in sorted(held.items()))
        last = f", like: {errors[-1]}" if errors else ""
        raise NotReady(
            f"{told} are held, for most of their records cannot be applied{last}. See: ocrstream"
            " dlq list. Mend who writes them or who reads them, and they go on by themselves; or"
            " raise OCRSTREAM_DEAD_LETTER_LIMIT"
        )

    def _count(self, partition: Partition, *, dead: bool) -> None:
        change = 1 if dead else -1
        self._excess[partition] = min(max(0, self._excess[partition] + change), self.limit)

    def _hold(self, partition: Partition, probe_in_s: float) -> None:
        topic, number = partition
        logger.error(
            "partition held: most of its records become dead letters",
            topic=topic,
            partition=number,
            error=self._last_error.get(partition),
        )
        self._probe_at[partition] = self._clock() + probe_in_s
        self._tell()

    def _postpone_probe(self, partition: Partition) -> None:
        pause_s = self._pause_s[partition]
        self._probe_at[partition] = self._clock() + pause_s
        self._pause_s[partition] = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _release(self, partition: Partition) -> None:
        self._pause_s.pop(partition, None)
        if self._probe_at.pop(partition, None) is not None:
            topic, number = partition
            logger.warning("partition goes on", topic=topic, partition=number)
            self._tell()

    def _tell(self) -> None:
        held = Counter(topic for topic, _ in self._probe_at)
        for topic in RECORDED_TOPICS:
            recording_metrics.PARTITIONS_HELD.labels(topic).set(held[topic])


def _all_good(judged: list[DecodedRecord]) -> bool:
    """Whether there is nothing to count, as nearly always."""
    return all(one.rejection is None for one in judged)


def _partition(judged: DecodedRecord) -> Partition:
    return judged.record.topic, judged.record.partition
