"""Reads the topics and has them recorded: poll, write, then commit for the lag metrics.

While there is a backlog, the next poll is read, decoded, folded and begun while one is written: two
transactions overlap, in the order of their offsets. Else one is written at a time, and what comes
meanwhile is the next. Where to go on stands in the database alone, so every partition is sought
there after each assignment, and whenever a poll was not written as it was read: because another
replica was faster, or because the poll was abandoned. Offsets mean something in one cluster only:
which one answers is asked after each poll and each seek, before anything comes of what was read.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.errors import (
    DatabaseUnavailableError,
    DataRefusedError,
    OffsetsMovedError,
    PollAbandonedError,
)
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll import Poll
from ocrstream_recorder.recording.poll_write import PollWrite
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_recorder.recording.stopped_partitions import StoppedPartitions
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.errors import ClusterChangedError
from ocrstream_runtime.kafka import RawRecord, stop_consumer
from ocrstream_runtime.retries import RetryHealth
from ocrstream_schemas.topics import RECORDED_TOPICS, is_images_topic

logger = structlog.get_logger(__name__)

_IDLE_POLL_MS = 500
_COMMIT_INTERVAL_S = 1.0
# aiokafka tries a commit again for as long as the broker is away.
_COMMIT_TIMEOUT_S = 3.0
# Asking for this gives nothing, but shows the group that the member lives: one that has not asked
# for `max_poll_interval_ms` leaves, and joins again only once it asks.
_NO_PARTITION = TopicPartition("", 0)
_MEMBERSHIP_INTERVAL_S = 1.0
_BACKOFF_S = 1.0
WRITES_AT_ONCE = 2
# From this part of the most that a poll may have, another one is written at the same time. Smaller
# ones take more of the processors, and of the database, the more of them there are.
_LARGE_POLL = 0.25


class Consumer(ConsumerRebalanceListener):
    """One member of the recorders' consumer group; `kafka` is started by `run` and stopped.

    A poll has at most as many records as `size` says.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        cluster: Cluster,
        writer: PollWriter,
        breaker: DeadLetterBreaker,
        size: TransactionSize,
        *,
        stop: asyncio.Event,
    ) -> None:
        self._kafka = kafka
        self._cluster = cluster
        self._stop = stop
        self._writer = writer
        self._breaker = breaker
        self._size = size
        self.retry_health = RetryHealth("reading", recording_metrics.RETRYING.labels("read"))
        # Partitions that were sought, with the offset that the next poll begins at; and those up
        # to which all is written.
        self._positions: dict[TopicPartition, int] = {}
        self._written: dict[TopicPartition, int] = {}
        self.stopped = StoppedPartitions()
        # What was read in an earlier epoch is not written any more.
        self._epoch = 0
        self._writes: set[asyncio.Task[None]] = set()
        self._last_write: PollWrite | None = None
        self._release_requested = asyncio.Event()
        self._backlogged = False
        # Held while it is decided whether one more write begins.
        self._gate = asyncio.Lock()
        self._failure: Exception | None = None
        self._committed: dict[TopicPartition, int] = {}
        self._committed_at = 0.0
        self.joined = False
        """Whether the group has let it in; a surplus member gets no partition."""
        self.finished = 0
        """How many records are written."""

    async def run(self) -> None:
        """Record until `stop` is set; then finish the poll under way, or abandon it.

        Raises ClusterChangedError, with what was read of the old one written, when another cluster
        answers; and what a write raised that means that this process can write no more.
        """
        stopping = asyncio.create_task(self._release_when_stopped())
        self._kafka.subscribe(RECORDED_TOPICS, listener=self)
        await self._kafka.start()
        staying = asyncio.create_task(self._keep_membership_while_writing())
        try:
            while not self._stop.is_set() and self._failure is None:
                try:
                    await self._step()
                    self.retry_health.ended(self)
                except (KafkaError, DatabaseUnavailableError, DataRefusedError) as error:
                    self.retry_health.failed(self, error)
                    logger.warning("cannot read on now", error=str(error), backoff_s=_BACKOFF_S)
                    # What was polled and not written must be polled again.
                    await self._wait_for_writes()
                    self._forget_positions()
                    await asyncio.sleep(_BACKOFF_S)
            await self._wait_for_writes()
            await self._commit()
        except ClusterChangedError:
            await self._wait_for_writes()
            raise
        finally:
            self.retry_health.ended(self)
            self.stopped.clear()
            self._breaker.clear()
            stopping.cancel()
            staying.cancel()
            await stop_consumer(self._kafka)
        if self._failure is not None:
            raise self._failure

    async def _release_when_stopped(self) -> None:
        await self._stop.wait()
        self._release_requested.set()

    async def _keep_membership_while_writing(self) -> None:
        """A write may take as long as the database is away; nothing is read meanwhile.

        This is another task than the loop that reads: a rebalance waits for the records that this
        consumer still holds.
        """
        while True:
            await asyncio.sleep(_MEMBERSHIP_INTERVAL_S)
            if self._writes:
                # The loop that reads meets whatever is wrong with the group, too.
                with contextlib.suppress(KafkaError):
                    await self._kafka.getmany(_NO_PARTITION, timeout_ms=0)

    # aiokafka awaits what its listeners return, which its types do not say.
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        """Waits for the poll under way; one that cannot be written is left to the next owner."""
        self._release_requested.set()
        async with self._gate:
            await self._wait_for_writes()
            if not self._stop.is_set():
                self._release_requested.clear()
            await self._commit()
            self._forget_positions()
            self._breaker.clear()
            self.stopped.clear()

    # aiokafka awaits what its listeners return, which its types do not say.
    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """The next step seeks what has no position."""
        self.joined = True

    async def ping(self) -> None:
        """Ask a broker for something. Raises KafkaError if none answers."""
        await self._kafka.topics()

    async def next_offsets(self) -> dict[TopicPartition, int]:
        """Up to where all is written, of each partition that is read."""
        return dict(self._written)

    async def _step(self) -> None:
        if not self._backlogged:
            await self._wait_for_writes()
        if time.monotonic() - self._committed_at > _COMMIT_INTERVAL_S:
            await self._commit()
        assigned = self._kafka.assignment()
        unsought = assigned - self._positions.keys() - self.stopped.not_due()
        if unsought:
            await self._wait_for_writes()
            await self._seek(unsought)
        sought = self._positions.keys() & assigned
        readable = sorted(filter(self._breaker.may_read, sought))
        epoch = self._epoch
        polled = await self._poll(readable)
        await self._cluster.check()
        count = sum(map(len, polled.values()))
        self._backlogged = count >= _LARGE_POLL * self._size.most
        records = [
            record
            for partition, part in polled.items()
            if partition in self._positions and await self._follows(partition, part[0].offset)
            for record in part
        ]
        if not records:
            return
        poll = await self._writer.prepare(records)
        async with self._gate:
            if self._last_write is not None:
                await self._last_write.offsets_advanced()
            await self._wait_for_writes(WRITES_AT_ONCE - 1)
            # Else its partitions are their next owner's, or have to be read again.
            if epoch == self._epoch:
                self._begin_write(poll, epoch)

    def _begin_write(self, poll: Poll, epoch: int) -> None:
        admitted, begins = self._admit(poll)
        self._last_write = self._writer.write(
            admitted,
            {(one.topic, one.partition): offset for one, offset in begins.items()},
            self._release_requested,
        )
        task = asyncio.create_task(self._finish_write(self._last_write, admitted, epoch))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def _admit(self, poll: Poll) -> tuple[Poll, dict[TopicPartition, int]]:
        """What of a poll may be written now, and where it begins; the rest will be read again."""
        admitted = self._breaker.admit(poll.records)
        if len(admitted) == len(poll.records):
            return poll, self._advance_positions(poll)
        part = Poll.of(admitted)
        begins = self._advance_positions(part)
        for partition in begins:
            self._kafka.seek(partition, self._positions[partition])
        return part, begins

    def _advance_positions(self, poll: Poll) -> dict[TopicPartition, int]:
        """Move the positions past a poll; returns where they stood."""
        after = {
            TopicPartition(topic, number): offset
            for (topic, number), offset in poll.next_offsets.items()
        }
        begins = {partition: self._positions[partition] for partition in after}
        self._positions |= after
        return begins

    async def _wait_for_writes(self, at_most: int = 0) -> None:
        """Returns when no more than so many polls are being written."""
        while len(self._writes) > at_most:
            await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)

    def _forget_positions(self) -> None:
        self._epoch += 1
        self._positions.clear()
        self._written.clear()

    async def _poll(
        self, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, list[RawRecord]]:
        if not partitions:
            return await self._kafka.getmany(_NO_PARTITION, timeout_ms=_IDLE_POLL_MS)
        polled: dict[TopicPartition, list[RawRecord]] = {}
        room = self._size.next
        # Outcomes before submissions: what is finished needs to be known soonest.
        for images in (False, True):
            group = [one for one in partitions if is_images_topic(one.topic) is images]
            if group and room:
                records = await self._kafka.getmany(*group, timeout_ms=0, max_records=room)
                polled |= records
                room -= sum(map(len, records.values()))
        return polled or await self._kafka.getmany(
            *partitions, timeout_ms=_IDLE_POLL_MS, max_records=self._size.next
        )

    async def _finish_write(self, write: PollWrite, poll: Poll, epoch: int) -> None:
        try:
            written = await write.run()
        except (OffsetsMovedError, PollAbandonedError) as why:
            # Nobody knows how much of it is written; the database does.
            if isinstance(why, OffsetsMovedError):
                recording_metrics.OFFSET_CONFLICTS.inc()
            self._forget_positions()
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._failure = error
            self._forget_positions()
        else:
            self.finished += len(poll.records)
            if epoch == self._epoch:
                for (topic, number), offset in written.next_offsets.items():
                    self._written[TopicPartition(topic, number)] = offset
            if written.must_recount:
                # Sought again, partitions are counted again.
                self._forget_positions()

    async def _seek(self, partitions: set[TopicPartition]) -> None:
        # Before, too: another cluster may have no topics yet, and they would be waited for.
        await self._cluster.check()
        beginnings = await self._kafka.beginning_offsets(partitions)
        ends = await self._kafka.end_offsets(partitions)
        await self._cluster.check()
        stored = await self._writer.next_offsets(
            {(one.topic, one.partition): beginnings[one] for one in partitions}
        )
        dead = await self._writer.dead_letters_before(stored, self._breaker.window)
        for one in partitions:
            partition = (one.topic, one.partition)
            offset = stored[partition]
            if self.stopped.remains(one, offset, beginnings[one], ends[one]):
                continue
            try:
                self._kafka.seek(one, offset)
            except IllegalStateError:
                continue  # revoked meanwhile
            self._breaker.begin(partition, offset, dead[partition])
            self._positions[one] = self._written[one] = offset

    async def _follows(self, partition: TopicPartition, offset: int) -> bool:
        """Whether nothing is missing before `offset`, the first that was read."""
        position = self._positions[partition]
        if offset == position:
            return True
        # Markers of transactions leave gaps; records that were deleted before they were read, too.
        beginning = (await self._kafka.beginning_offsets([partition]))[partition]
        if offset > position >= beginning:
            return True
        end = (await self._kafka.end_offsets([partition]))[partition]
        if self._positions.pop(partition, None) is not None:  # else it was revoked meanwhile
            self._written.pop(partition, None)
            self.stopped.stop(partition, position, beginning, end)
        return False

    async def _commit(self) -> None:
        """Tell Kafka how far we are. Nothing depends on it but what shows the group's lag."""
        self._committed_at = time.monotonic()
        offsets = dict(self._written)
        if offsets == self._committed or not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await self._kafka.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            logger.info("offsets not committed for the lag metrics", error=str(error))
        else:
            self._committed = offsets
