"""Consumes images from the lanes, has them processed, and commits their offsets.

An offset is committed only when every record before it is done. So a crash loses no image: images
are read again, which changes nothing. Their number is limited: a partition is paused while it is
too far ahead of its oldest unfinished image.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.kafka import RawRecord, decode_event, stop_consumer
from ocrstream_runtime.lifecycle import wait_for_event
from ocrstream_runtime.messaging_spans import process_span
from ocrstream_runtime.retries import OUTAGE_BACKOFF
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import ImageSubmitted
from ocrstream_worker import metrics
from ocrstream_worker.concurrency import InFlightLimit, Permit
from ocrstream_worker.lanes import LaneOrder
from ocrstream_worker.offset_tracker import OffsetTracker
from ocrstream_worker.retention_gaps import RetentionGapDetector

logger = structlog.get_logger(__name__)

_IDLE_POLL_MS = 200
# Records that were finished after the last commit are read again after a crash.
_COMMIT_INTERVAL_S = 0.25
# aiokafka itself retries a commit as long as the broker is unavailable.
_COMMIT_TIMEOUT_S = 3.0
# A fetch from it returns nothing but counts as a poll: a member that does not poll within
# `max_poll_interval_ms` leaves the group.
_NO_SUCH_PARTITION = TopicPartition("", 0)

ProcessImage = Callable[[ImageSubmitted, Permit], Awaitable[None]]


class ImageConsumer(ConsumerRebalanceListener):
    """One member of the workers' consumer group.

    At most `max_in_flight_images` images are in flight; `max_backoff_images` more may back off
    before a retry. A partition that is `max_uncommitted_records` ahead of its oldest unfinished
    record is paused. When partitions are revoked, or the worker stops, images have
    `drain_timeout_s` to finish. Images that do not, and at once those that back off, are left to
    the partition's next owner.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        process: ProcessImage,
        topics: tuple[str, ...],
        *,
        group_id: str,
        max_in_flight_images: int,
        max_backoff_images: int,
        max_uncommitted_records: int,
        drain_timeout_s: float,
    ) -> None:
        self._kafka = kafka
        self._process = process
        self._topics = topics
        self._group_id = group_id
        self._lane_order = LaneOrder(topics)
        self._in_flight_limit = InFlightLimit(max_in_flight_images, max_backoff_images)
        self._max_uncommitted_records = max_uncommitted_records
        self._drain_timeout_s = drain_timeout_s
        self._trackers: dict[TopicPartition, OffsetTracker] = {}
        self._gap_detector = RetentionGapDetector(kafka)
        self._draining: set[TopicPartition] = set()
        self._tasks: dict[asyncio.Task[None], tuple[TopicPartition, Permit]] = {}
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._committed_at = 0.0
        self.joined = False
        """Whether the member has joined the group; a surplus member has no partition."""
        self.finished = 0
        """The number of records done."""
        self.images_done = 0
        """The number of images among them."""

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set; then finishes the images in flight or leaves them.

        Raises what `process` raises: the worker then cannot continue.
        """
        self._kafka.subscribe(list(self._topics), listener=self)
        await self._kafka.start()
        loop = BackgroundLoop(
            "image consumer",
            self._run_round,
            interval_s=0.0,
            retry_on=(KafkaError,),
            backoff=OUTAGE_BACKOFF,
        )
        try:
            await loop.run(stop, self._failed)
            await self._drain(set(self._trackers))
        finally:
            await stop_consumer(self._kafka)
        if self._failure is not None:
            raise self._failure

    @property
    def images_in_flight(self) -> int:
        """The number of images consumed and not done, including those that back off."""
        return len(self._tasks)

    async def next_offsets(self) -> dict[TopicPartition, int]:
        """Returns the lowest offset of each partition that is not done."""
        return {
            partition: (
                await self._kafka.position(partition)
                if tracker.watermark is None
                else tracker.watermark
            )
            for partition, tracker in list(self._trackers.items())
            if partition in self._kafka.assignment()
        }

    async def ping(self) -> None:
        """Sends a request to a broker. Raises KafkaError if none answers."""
        await self._kafka.topics()

    # aiokafka awaits its listeners' methods, although it types them as synchronous.
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        """Finishes the images in flight, commits, and drops the partitions."""
        await self._drain(set(revoked))

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """Starts each partition at its committed offset."""
        self._draining = set()
        for partition in assigned:
            self._trackers.setdefault(partition, OffsetTracker())
        self.joined = True

    async def _run_round(self) -> None:
        if self._in_flight_limit.available > 0:
            await self._poll()
        if self._in_flight_limit.available <= 0:
            await self._kafka.getmany(_NO_SUCH_PARTITION, timeout_ms=0)
            self._in_flight_limit.permit_released.clear()
            await wait_for_event(self._in_flight_limit.permit_released, _COMMIT_INTERVAL_S)
        if time.monotonic() - self._committed_at > _COMMIT_INTERVAL_S:
            await self._commit(set(self._trackers))

    async def _poll(self) -> None:
        """Fetches as many images as there are permits, the more urgent lanes first."""
        by_topic: dict[str, list[TopicPartition]] = {}
        for partition in sorted(self._trackers.keys() - self._draining):
            if self._trackers[partition].uncommitted < self._max_uncommitted_records:
                by_topic.setdefault(partition.topic, []).append(partition)
        if len(by_topic) > 1:
            taken = False
            while self._in_flight_limit.available > 0 and await self._poll_next_lane(by_topic):
                taken = True
            if taken:
                return
        partitions = [partition for found in by_topic.values() for partition in found]
        await self._fetch(
            partitions or [_NO_SUCH_PARTITION],
            timeout_ms=_IDLE_POLL_MS,
            max_records=self._in_flight_limit.available,
        )

    async def _poll_next_lane(self, by_topic: dict[str, list[TopicPartition]]) -> bool:
        for topic in self._lane_order.next():
            if topic in by_topic and await self._fetch(
                by_topic[topic], timeout_ms=0, max_records=1
            ):
                return True
        return False

    async def _fetch(
        self, partitions: list[TopicPartition], *, timeout_ms: int, max_records: int
    ) -> bool:
        # Accepted before the next await, which may last through a rebalance that makes them stale.
        found = await self._kafka.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
        for records in found.values():
            for record in records:
                self._accept(record)
        await self._gap_detector.check(found)
        return bool(found)

    def _accept(self, record: RawRecord) -> None:
        partition = TopicPartition(record.topic, record.partition)
        # aiokafka may return records just before it calls `on_partitions_assigned`.
        tracker = self._trackers.setdefault(partition, OffsetTracker())
        try:
            image = decode_event(record)
        except InvalidRecordError as error:
            metrics.INVALID_RECORDS.inc()
            logger.info(
                "invalid record skipped, the recorder writes its dead letter",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            tracker.start(record.offset)
            self._finish(record, tracker)
            return
        assert isinstance(image, ImageSubmitted)  # noqa: S101 (`decode` rejects all other types on these topics)
        tracker.start(record.offset)
        if image.refused is not None:
            # The submission is its outcome as well, which the recorder records.
            self._finish(record, tracker)
            return
        permit = self._in_flight_limit.acquire()
        task = asyncio.create_task(self._process_image(image, record, tracker, permit))
        self._tasks[task] = (partition, permit)
        task.add_done_callback(self._on_task_done)
        metrics.IMAGES_IN_FLIGHT.set(len(self._tasks))

    async def _process_image(
        self, image: ImageSubmitted, record: RawRecord, tracker: OffsetTracker, permit: Permit
    ) -> None:
        with process_span(record, self._group_id):
            await self._process(image, permit)
        self.images_done += 1
        self._finish(record, tracker)

    def _finish(self, record: RawRecord, tracker: OffsetTracker) -> None:
        tracker.finish(record.offset)
        self.finished += 1

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        _, permit = self._tasks.pop(task)
        permit.release()
        metrics.IMAGES_IN_FLIGHT.set(len(self._tasks))
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()
            self._failed.set()

    async def _drain(self, partitions: set[TopicPartition]) -> None:
        """Waits for the partitions' images, commits, and drops the partitions."""
        self._draining |= partitions
        affected: list[asyncio.Task[None]] = []
        for task, (partition, permit) in self._tasks.items():
            if partition in partitions:
                permit.cancel_backoff()
                affected.append(task)
        if affected:
            _, late = await asyncio.wait(affected, timeout=self._drain_timeout_s)
            for task in late:
                task.cancel()
            if late:
                logger.warning(
                    "images not finished in time, left to the partitions' next owner",
                    count=len(late),
                )
                await asyncio.wait(late)
        await self._commit(partitions)
        for partition in partitions:
            self._trackers.pop(partition, None)
            self._gap_detector.drop_partition(partition)

    async def _commit(self, partitions: set[TopicPartition]) -> None:
        self._committed_at = time.monotonic()
        offsets = {
            partition: offset
            for partition in partitions & self._trackers.keys()
            if (offset := self._trackers[partition].committable()) is not None
        }
        if not offsets:
            return
        try:
            async with StarvationAwareTimeout(_COMMIT_TIMEOUT_S):
                await self._kafka.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # Some images are then read again, here or by the partition's next owner.
            logger.warning("cannot commit offsets", error=str(error) or type(error).__name__)
            return
        for partition, offset in offsets.items():
            if partition in self._trackers:
                self._trackers[partition].mark_committed(offset)
