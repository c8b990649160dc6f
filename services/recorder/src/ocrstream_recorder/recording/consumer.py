"""Polls the topics, has each poll written, and then commits offsets for the lag metrics.

While there is a backlog, the consumer reads, decodes and folds the next poll while one is written:
two transactions overlap, in the order of their offsets. Otherwise it writes one poll at a time, and
the records that arrive meanwhile are the next poll. Only the database knows the next offsets, so
the consumer seeks each partition there after an assignment, and after a poll that was not written
as it was read, because another replica was faster or because the poll was abandoned. Offsets are
valid in one cluster only, so the consumer checks which cluster answers after each poll and each
seek, before it uses what it read.
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
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.errors import ClusterChangedError
from ocrstream_runtime.kafka import RawRecord, stop_consumer
from ocrstream_runtime.retries import OUTAGE_BACKOFF, RetryHealth
from ocrstream_schemas.topics import RECORDED_TOPICS, is_images_topic

logger = structlog.get_logger(__name__)

_IDLE_POLL_MS = 500
_COMMIT_INTERVAL_S = 1.0
# aiokafka retries a commit for as long as the broker is unavailable.
_COMMIT_TIMEOUT_S = 3.0
# A fetch from it returns nothing but counts as a poll: a member that does not poll within
# `max_poll_interval_ms` leaves the group, and joins again only with its next poll.
_NO_PARTITION = TopicPartition("", 0)
_MEMBERSHIP_INTERVAL_S = 1.0
WRITES_AT_ONCE = 2
# A poll of at least this share of the largest size is written while another one is. Smaller polls
# would load the processors and the database by their number.
_LARGE_POLL = 0.25


class Consumer(ConsumerRebalanceListener):
    """One member of the recorders' consumer group; `run` starts and stops `kafka`.

    `size` limits the records of a poll.
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
        # Of each partition that was sought: the offset at which the next poll begins, and the
        # offset before which everything is written.
        self._positions: dict[TopicPartition, int] = {}
        self._written: dict[TopicPartition, int] = {}
        self._must_read_again = False
        self.stopped = StoppedPartitions()
        # Polls that were read in an earlier epoch are not written.
        self._epoch = 0
        self._writes: set[asyncio.Task[None]] = set()
        self._last_write: PollWrite | None = None
        self._release_requested = asyncio.Event()
        self._backlogged = False
        # Held while it is decided whether one more write begins.
        self._gate = asyncio.Lock()
        self._failure: Exception | None = None
        self._failed = asyncio.Event()
        self._committed: dict[TopicPartition, int] = {}
        self._committed_at = 0.0
        self.joined = False
        """Whether the member has joined the group; a surplus member has no partition."""
        self.finished = 0
        """The number of records written."""

    async def run(self) -> None:
        """Records until `stop` is set; then finishes the poll under way, or abandons it.

        Raises ClusterChangedError when another cluster answers, after writing what it read of the
        old one, and any error of a write after which this process can write no more.
        """
        stopping = asyncio.create_task(self._release_when_stopped())
        self._kafka.subscribe(RECORDED_TOPICS, listener=self)
        await self._kafka.start()
        staying = asyncio.create_task(self._keep_membership_while_writing())
        loop = BackgroundLoop(
            "reading",
            self._run_round,
            interval_s=0.0,
            retry_on=(KafkaError, DatabaseUnavailableError, DataRefusedError),
            backoff=OUTAGE_BACKOFF,
            health=self.retry_health,
            on_failure=self._read_again,
        )
        try:
            await loop.run(self._stop, self._failed)
            await self._wait_for_writes()
            await self._commit()
        except ClusterChangedError:
            await self._wait_for_writes()
            raise
        finally:
            self.stopped.clear()
            self._breaker.clear()
            stopping.cancel()
            staying.cancel()
            await stop_consumer(self._kafka)
        if self._failure is not None:
            raise self._failure

    async def _run_round(self) -> None:
        if self._must_read_again:
            await self._wait_for_writes()
            self._forget_positions()
            self._must_read_again = False
        await self._step()

    def _read_again(self, _: Exception) -> None:
        # Otherwise records that were polled and not written would be missing.
        self._must_read_again = True

    async def _release_when_stopped(self) -> None:
        await self._stop.wait()
        self._release_requested.set()

    async def _keep_membership_while_writing(self) -> None:
        """Keeps the group membership while a write, which may wait for the database, delays polls.

        It is a task of its own, because a rebalance waits for the records that this consumer still
        holds.
        """
        while True:
            await asyncio.sleep(_MEMBERSHIP_INTERVAL_S)
            if self._writes:
                # The reading loop reports an error of the group.
                with contextlib.suppress(KafkaError):
                    await self._kafka.getmany(_NO_PARTITION, timeout_ms=0)

    # aiokafka awaits what its listeners return, which its types do not say.
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        """Waits for the poll under way, or leaves it to the next owner if it cannot be written."""
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
        """Leaves the seek of the new partitions to the next step."""
        self.joined = True

    async def ping(self) -> None:
        """Sends a request to a broker. Raises KafkaError if none answers."""
        await self._kafka.topics()

    async def next_offsets(self) -> dict[TopicPartition, int]:
        """Returns the offset before which everything is written, of each partition it reads."""
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
            # In a later epoch the partitions belong to another owner, or must be read again.
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
        """Returns the part of a poll that may be written now, and where it begins.

        The consumer will read the rest again.
        """
        admitted = self._breaker.admit(poll.records)
        if len(admitted) == len(poll.records):
            return poll, self._advance_positions(poll)
        part = Poll.of(admitted)
        begins = self._advance_positions(part)
        for partition in begins:
            self._kafka.seek(partition, self._positions[partition])
        return part, begins

    def _advance_positions(self, poll: Poll) -> dict[TopicPartition, int]:
        """Moves the positions past a poll; returns the old ones."""
        after = {
            TopicPartition(topic, number): offset
            for (topic, number), offset in poll.next_offsets.items()
        }
        begins = {partition: self._positions[partition] for partition in after}
        self._positions |= after
        return begins

    async def _wait_for_writes(self, at_most: int = 0) -> None:
        """Returns when at most this many polls are being written."""
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
        # Outcomes before submissions, because clients wait for outcomes.
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
            # Only the database knows how much of the poll is written.
            if isinstance(why, OffsetsMovedError):
                recording_metrics.OFFSET_CONFLICTS.inc()
            self._forget_positions()
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._failure = error
            self._failed.set()
            self._forget_positions()
        else:
            self.finished += len(poll.records)
            if epoch == self._epoch:
                for (topic, number), offset in written.next_offsets.items():
                    self._written[TopicPartition(topic, number)] = offset
            if written.must_recount:
                # The next seek counts the partitions' dead letters again.
                self._forget_positions()

    async def _seek(self, partitions: set[TopicPartition]) -> None:
        # Before the requests, too: they wait for topics, which another cluster may not have yet.
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
        """Returns whether no record is missing before `offset`, the first that was read."""
        position = self._positions[partition]
        if offset == position:
            return True
        # Markers of transactions leave gaps; so do records that were deleted unread.
        beginning = (await self._kafka.beginning_offsets([partition]))[partition]
        if offset > position >= beginning:
            return True
        end = (await self._kafka.end_offsets([partition]))[partition]
        if self._positions.pop(partition, None) is not None:  # else it was revoked meanwhile
            self._written.pop(partition, None)
            self.stopped.stop(partition, position, beginning, end)
        return False

    async def _commit(self) -> None:
        """Commits the offsets to Kafka. Only metrics of the group's lag depend on them."""
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
