"""Takes images from the lanes, has them processed, and commits what is done.

An offset is committed only when every record before it is done: a crash makes images be read
again, which changes nothing, and never loses one. How many is bounded: a partition is not read on
while it is too far ahead of its oldest image.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from ocrstream_runtime.kafka import RawRecord, record_ref, stop_consumer
from ocrstream_runtime.messaging_spans import process_span
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.events import ImageSubmitted
from ocrstream_worker import metrics
from ocrstream_worker.concurrency import InFlightLimit, Permit
from ocrstream_worker.lanes import LaneOrder
from ocrstream_worker.offset_tracker import OffsetTracker
from ocrstream_worker.retention_gaps import RetentionGapDetector

logger = structlog.get_logger(__name__)

_IDLE_POLL_MS = 200
# What is done since the last commit is read again after a crash.
_COMMIT_INTERVAL_S = 0.25
# aiokafka tries a commit again for as long as the broker is away.
_COMMIT_TIMEOUT_S = 3.0
# Asking for this gives nothing, but tells the group that the member lives: one that has not asked
# for `max_poll_interval_ms` leaves, and joins again only once it asks.
_NO_PARTITION = TopicPartition("", 0)
_BACKOFF_S = 1.0

Process = Callable[[ImageSubmitted, Permit], Awaitable[None]]


class ImageConsumer(ConsumerRebalanceListener):
    """One member of the workers' group.

    At most `images_ahead` images are in work; more are asked for only when there is room. Besides,
    `images_resting` may wait for their next attempt. A partition that is `records_uncommitted`
    ahead of its oldest unfinished record is not read on. `drain_timeout_s`: how long images in
    work may take to finish when their partitions go to another worker, or when this one ends; then
    they are left to the next owner, as are at once those that rest.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        process: Process,
        topics: tuple[str, ...],
        *,
        group_id: str,
        images_ahead: int,
        images_resting: int,
        records_uncommitted: int,
        drain_timeout_s: float,
    ) -> None:
        self._kafka = kafka
        self._process = process
        self._topics = topics
        self._group_id = group_id
        self._order = LaneOrder(topics)
        self._places = InFlightLimit(images_ahead, images_resting)
        self._records_uncommitted = records_uncommitted
        self._drain_timeout_s = drain_timeout_s
        self._progress: dict[TopicPartition, OffsetTracker] = {}
        self._deleted = RetentionGapDetector(kafka)
        self._draining: set[TopicPartition] = set()
        self._tasks: dict[asyncio.Task[None], tuple[TopicPartition, Permit]] = {}
        self._failure: BaseException | None = None
        self._committed_at = 0.0
        self.joined = False
        """Whether the group has let it in; a surplus member gets no partition."""
        self.finished = 0
        """How many records are done."""
        self.images_done = 0
        """How many of these were images."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish or give back what is in flight.

        Raises what `process` raises: it means that the worker cannot go on.
        """
        self._kafka.subscribe(list(self._topics), listener=self)
        await self._kafka.start()
        try:
            while not stop.is_set() and self._failure is None:
                try:
                    await self._step()
                except KafkaError as error:
                    logger.warning("cannot read on now", error=str(error), backoff_s=_BACKOFF_S)
                    await asyncio.sleep(_BACKOFF_S)
            await self._drain(set(self._progress))
        finally:
            await stop_consumer(self._kafka)
        if self._failure is not None:
            raise self._failure

    @property
    def images_in_flight(self) -> int:
        """Images taken and not done, those at rest included."""
        return len(self._tasks)

    async def next_offsets(self) -> dict[TopicPartition, int]:
        """The lowest offset of each partition that is not done."""
        return {
            partition: (
                await self._kafka.position(partition)
                if progress.watermark is None
                else progress.watermark
            )
            for partition, progress in list(self._progress.items())
            if partition in self._kafka.assignment()
        }

    async def ping(self) -> None:
        """Ask a broker for something. Raises KafkaError if none answers."""
        await self._kafka.topics()

    # aiokafka awaits what its listeners return, which its types do not say.
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        """Finish what is in flight, commit, and forget what could not be finished in time."""
        await self._drain(set(revoked))

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """Begin anew with each partition, at its committed offset."""
        self._draining = set()
        for partition in assigned:
            self._progress.setdefault(partition, OffsetTracker())
        self.joined = True

    async def _step(self) -> None:
        if self._places.free > 0:
            await self._poll()
        if self._places.free <= 0:
            await self._kafka.getmany(_NO_PARTITION, timeout_ms=0)
            self._places.room.clear()
            await _wait(self._places.room, _COMMIT_INTERVAL_S)
        if time.monotonic() - self._committed_at > _COMMIT_INTERVAL_S:
            await self._commit(set(self._progress))

    async def _poll(self) -> None:
        """Take what there is room for, the more urgent lanes first; wait a little for the first."""
        by_topic: dict[str, list[TopicPartition]] = {}
        for partition in sorted(self._progress.keys() - self._draining):
            if self._progress[partition].ahead < self._records_uncommitted:
                by_topic.setdefault(partition.topic, []).append(partition)
        if len(by_topic) > 1:
            taken = False
            while self._places.free > 0 and await self._poll_one(by_topic):
                taken = True
            if taken:
                return
        partitions = [partition for found in by_topic.values() for partition in found]
        await self._take_from(
            partitions or [_NO_PARTITION], timeout_ms=_IDLE_POLL_MS, max_records=self._places.free
        )

    async def _poll_one(self, by_topic: dict[str, list[TopicPartition]]) -> bool:
        for topic in self._order.next():
            if topic in by_topic and await self._take_from(
                by_topic[topic], timeout_ms=0, max_records=1
            ):
                return True
        return False

    async def _take_from(
        self, partitions: list[TopicPartition], *, timeout_ms: int, max_records: int
    ) -> bool:
        # Taken at once: the next wait may last through a rebalance, after which they are stale.
        found = await self._kafka.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
        for records in found.values():
            for record in records:
                self._take(record)
        await self._deleted.look(found)
        return bool(found)

    def _take(self, record: RawRecord) -> None:
        partition = TopicPartition(record.topic, record.partition)
        # aiokafka may hand out records just before it calls `on_partitions_assigned`.
        progress = self._progress.setdefault(partition, OffsetTracker())
        try:
            image = decode(record.topic, record.value, record_ref(record))
        except InvalidRecord as error:
            metrics.INVALID_RECORDS.inc()
            logger.info(
                "record skipped, the recorder writes its dead letter",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            progress.take(record.offset)
            self._done(record, progress)
            return
        assert isinstance(image, ImageSubmitted)  # noqa: S101 (all else is invalid on these topics)
        progress.take(record.offset)
        place = self._places.take()
        task = asyncio.create_task(self._run_one(image, record, progress, place))
        self._tasks[task] = (partition, place)
        task.add_done_callback(self._on_done)
        metrics.IMAGES_IN_FLIGHT.set(len(self._tasks))

    async def _run_one(
        self, image: ImageSubmitted, record: RawRecord, progress: OffsetTracker, place: Permit
    ) -> None:
        with process_span(record, self._group_id):
            await self._process(image, place)
        self.images_done += 1
        self._done(record, progress)

    def _done(self, record: RawRecord, progress: OffsetTracker) -> None:
        progress.done(record.offset)
        self.finished += 1

    def _on_done(self, task: asyncio.Task[None]) -> None:
        _, place = self._tasks.pop(task)
        place.leave()
        metrics.IMAGES_IN_FLIGHT.set(len(self._tasks))
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()

    async def _drain(self, partitions: set[TopicPartition]) -> None:
        """Let the partitions' images finish, commit, and let go of them."""
        self._draining |= partitions
        mine: list[asyncio.Task[None]] = []
        for task, (partition, place) in self._tasks.items():
            if partition in partitions:
                place.recall()
                mine.append(task)
        if mine:
            _, late = await asyncio.wait(mine, timeout=self._drain_timeout_s)
            for task in late:
                task.cancel()
            if late:
                logger.warning("images left to the next owner", count=len(late))
                await asyncio.wait(late)
        await self._commit(partitions)
        for partition in partitions:
            self._progress.pop(partition, None)
            self._deleted.forget(partition)

    async def _commit(self, partitions: set[TopicPartition]) -> None:
        self._committed_at = time.monotonic()
        offsets = {
            partition: offset
            for partition in partitions & self._progress.keys()
            if (offset := self._progress[partition].to_commit()) is not None
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await self._kafka.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # Then some images are read again, here or by the partition's next owner.
            logger.warning("offsets not committed", error=str(error) or type(error).__name__)
            return
        for partition, offset in offsets.items():
            if partition in self._progress:
                self._progress[partition].committed(offset)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
