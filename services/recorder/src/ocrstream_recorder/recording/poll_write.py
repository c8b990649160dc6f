"""Writes one poll, once in effect: retries what passes, sets aside what never will."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka.errors import KafkaError
from opentelemetry import trace
from opentelemetry.semconv.attributes.db_attributes import DB_SYSTEM_NAME
from opentelemetry.trace import SpanKind
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.offsets import Partition, Span
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer, KeptAt, storable_error
from ocrstream_recorder.dead_letters.register import Coordinates, DeadLetterRow
from ocrstream_recorder.errors import (
    ConcurrentChangeError,
    DatabaseUnavailableError,
    DataRefusedError,
    PollAbandonedError,
    SessionLostError,
)
from ocrstream_recorder.recording import poll_transaction
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.decoding import DecodedRecord, reject_record, reject_unreadable
from ocrstream_recorder.recording.poll import Poll
from ocrstream_recorder.recording.poll_report import report
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_runtime.kafka import record_ref
from ocrstream_runtime.lifecycle import wait_for_event
from ocrstream_runtime.messaging_spans import batch_span
from ocrstream_runtime.retries import Backoff, RetryHealth, describe_error
from ocrstream_schemas.headers import redrive_of

logger = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_BACKOFF = Backoff(0.05, 5.0)

ResultT = TypeVar("ResultT")


class WriteTarget(NamedTuple):
    """Where polls are written, and who is told about it."""

    database: Database
    dead_letters: DeadLetterProducer
    breaker: DeadLetterBreaker
    zone: DatabaseZone
    size: TransactionSize
    cluster_id: str
    group_id: str
    on_outbox: Callable[[], None]
    retry_health: RetryHealth


class WrittenPoll(NamedTuple):
    """A poll that is written up to `next_offsets`.

    `must_recount`: the database refused records that the circuit breaker had counted as good.
    """

    next_offsets: dict[Partition, int]
    must_recount: bool


class PollWrite:
    """The write of one poll whose partitions stand at `begins`.

    Once `release_requested` is set it does not retry any more: because the process ends, or because
    other replicas wait for its partitions.
    """

    def __init__(
        self,
        target: WriteTarget,
        poll: Poll,
        begins: Mapping[Partition, int],
        release_requested: asyncio.Event,
    ) -> None:
        self._target = target
        self._poll = poll
        self._positions = dict(begins)
        self._release_requested = release_requested
        self._offsets_advanced = asyncio.Event()
        self._kept_at: KeptAt = {}
        self._must_recount = False

    async def offsets_advanced(self) -> None:
        """Returns when the poll behind may begin: the last part of this one has advanced its
        offsets, though not yet committed them, or this one is over.
        """
        await self._offsets_advanced.wait()

    async def run(self) -> WrittenPoll:
        """Write the poll and advance the offsets.

        Returns only when that is done, however long the database is away; after a lost session it
        tries fewer records. A record that the database refuses is found by halving and becomes a
        dead letter.

        Raises OffsetsMovedError if another owner wrote some of them, PollAbandonedError if it
        failed and release is requested, or if the database refuses more records of a partition
        than the circuit breaker's limit.
        """
        try:
            with batch_span([record for record, _, _ in self._poll.records], self._target.group_id):
                return await self._write_all()
        finally:
            self._offsets_advanced.set()

    async def _write_all(self) -> WrittenPoll:
        refusals = Counter[Partition]()
        await self._publish(self._poll.records)
        parts = [self._poll.records]
        while parts:
            records = parts.pop()
            try:
                written = await self._write(records, is_last=not parts)
            except DataRefusedError as error:
                if len(records) > 1:
                    middle = len(records) // 2
                    parts += records[middle:], records[:middle]
                else:
                    refusals[records[0].record.topic, records[0].record.partition] += 1
                    if max(refusals.values()) > self._target.breaker.limit:
                        raise PollAbandonedError from error
                    parts.append([await self._reject(records[0], str(error))])
            else:
                if written < len(records):
                    parts.append(records[written:])
        return WrittenPoll(self._positions, self._must_recount)

    async def _write(self, records: list[DecodedRecord], *, is_last: bool) -> int:
        """Write the first of these records, as many as may be now; returns how many.

        `is_last`: none of the poll follow these.
        """
        with _tracer.start_as_current_span("write", kind=SpanKind.CLIENT) as span:
            span.set_attribute(DB_SYSTEM_NAME, "postgresql")
            # A record that contributes no rows cannot be refused by the database.
            contributes = any(decoded.contributes_rows for decoded in records)
            retried = () if contributes else (DataRefusedError,)
            part, written = await self._retry(
                lambda: self._try_to_write(records, is_last=is_last), *retried
            )
            span.set_attributes({f"ocrstream.{t}": n.written for t, n in written.rows.items()})
        report(part.records, written, self._target.zone)
        if written.batches_completed or written.retries:
            self._target.on_outbox()
        self._must_recount |= self._target.breaker.written(part.records)
        self._positions |= part.next_offsets
        return len(part.records)

    async def _try_to_write(
        self, records: list[DecodedRecord], *, is_last: bool
    ) -> tuple[Poll, Written]:
        database, size = self._target.database, self._target.size
        part = self._poll
        if records is not part.records or len(records) > size.next:
            part = await asyncio.to_thread(Poll.of, records[: size.next])
        count = len(part.records)
        ends_poll = is_last and count == len(records)
        spans = {
            partition: Span(self._positions[partition], offset)
            for partition, offset in part.next_offsets.items()
        }
        dead_letters = self._dead_letter_rows(part.records)
        loop = asyncio.get_running_loop()

        def write(connection: Connection[Any]) -> tuple[Written, float]:
            began = time.perf_counter()
            with poll_transaction.advance_offsets(
                connection,
                part.changes,
                self._target.zone,
                self._target.cluster_id,
                spans,
                dead_letters=dead_letters,
            ) as advanced:
                # Both calls stay on this thread: were the loop to make the second one, a starved
                # process would keep the transaction, and its locks, waiting for the loop.
                if ends_poll:
                    loop.call_soon_threadsafe(self._offsets_advanced.set)
                written = advanced.finish_outcomes()
            return written, time.perf_counter() - began

        try:
            written, took_s = await database.run(write)
        except SessionLostError as lost:
            size.failed(count)
            recording_metrics.count_lost_session("poll", lost)
            raise
        size.committed(count, took_s)
        recording_metrics.POLL_SECONDS.labels("write").observe(took_s)
        return part, written

    async def _reject(self, refused: DecodedRecord, error: str) -> DecodedRecord:
        """What is written instead of a record that the database refuses."""
        if refused.rejection is not None:
            # Not even what could be read of it can be stored: it stays a dead letter, uncounted.
            return reject_unreadable(refused.record, refused.rejection)
        rejected = reject_record(refused.record, "refused_by_database", error)
        await self._publish([rejected])
        return rejected

    async def _publish(self, records: Iterable[DecodedRecord]) -> None:
        """Returns when the broker has the rejected ones among these records as dead letters."""
        rejected = [
            (record, rejection) for record, _, rejection in records if rejection is not None
        ]
        self._kept_at |= await self._retry(lambda: self._target.dead_letters.publish(rejected))

    def _dead_letter_rows(self, records: Iterable[DecodedRecord]) -> list[DeadLetterRow]:
        return [
            DeadLetterRow(
                record_ref(record),
                rejection.reason,
                storable_error(rejection.error),
                rejection.chain_id,
                rejection.batch_id,
                self._kept_at[Coordinates(record.topic, record.partition, record.offset)],
                redrive_of(record.headers),
            )
            for record, _, rejection in records
            if rejection is not None
        ]

    async def _retry(
        self, attempt: Callable[[], Awaitable[ResultT]], *retried: type[Exception]
    ) -> ResultT:
        """What `attempt` returns, tried again with growing pauses for as long as it takes.

        Errors that pass are retried, and those named; PollAbandonedError if release is requested.
        """
        operation = object()
        pauses = _BACKOFF.pauses()
        try:
            while True:
                try:
                    return await attempt()
                except (
                    DatabaseUnavailableError,
                    ConcurrentChangeError,
                    KafkaError,
                    *retried,
                ) as error:
                    backoff_s = next(pauses)
                    recording_metrics.POLL_RETRIES.inc()
                    self._target.retry_health.failed(operation, error)
                    trace.get_current_span().add_event("to be tried again", {"error": str(error)})
                    logger.warning(
                        "poll to be tried again",
                        error=describe_error(error),
                        backoff_s=backoff_s,
                        records_at_most=self._target.size.next,
                    )
                    if await wait_for_event(self._release_requested, backoff_s):
                        raise PollAbandonedError from error
        finally:
            self._target.retry_health.ended(operation)
