"""Writes judged records, once in effect: tries again what passes, sets aside what never will."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self, TypeVar

import structlog
from aiokafka.errors import KafkaError
from opentelemetry import trace
from opentelemetry.semconv.attributes.db_attributes import DB_SYSTEM_NAME
from opentelemetry.trace import SpanKind
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.offsets import Partition, Span
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters import register
from ocrstream_recorder.dead_letters.producer import DeadLetterSink, Kept, storable_error
from ocrstream_recorder.dead_letters.register import Coordinates, DeadLetterRow
from ocrstream_recorder.errors import (
    ConcurrentChangeError,
    DatabaseUnavailableError,
    DataRefusedError,
    PollAbandonedError,
    SessionLostError,
)
from ocrstream_recorder.recording import chain_rows, poll_transaction
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.decoding import (
    DecodedRecord,
    chains_named_by,
    decode_record,
    reject_record,
    reject_unreadable,
)
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.recording.retry_health import RetryHealth
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_runtime.kafka import RawRecord, record_ref
from ocrstream_runtime.messaging_spans import batch_span
from ocrstream_schemas.headers import redrive_of

logger = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_FIRST_BACKOFF_S = 0.05
_LONGEST_BACKOFF_S = 5.0

ResultT = TypeVar("ResultT")


class Poll(NamedTuple):
    """Judged records, in the order of their offsets, and what all of them say together.

    `nexts`: of each partition the offset after its last record.
    """

    records: list[DecodedRecord]
    changes: PollChanges
    next_offsets: dict[Partition, int]

    @classmethod
    def of(cls, judged: list[DecodedRecord]) -> Self:
        """A poll of these records."""
        return cls(
            judged,
            PollChanges([one.changes for one in judged if one.changes is not None]),
            {(one.topic, one.partition): one.offset + 1 for one, _, _ in judged},
        )


class PollWriter:
    """Writes polls; two at a time, if the second begins when the first is fenced.

    `size` tells how many records the next poll may have; of more, it writes part after part.
    `release_requested` asks it to stop trying: because the process ends, or because other replicas
    wait for its partitions.
    """

    def __init__(
        self,
        database: Database,
        dead_letters: DeadLetterSink,
        drain_limit: DeadLetterBreaker,
        zone: DatabaseZone,
        size: TransactionSize,
        *,
        cluster_id: str,
        group_id: str,
        on_outbox: Callable[[], None],
    ) -> None:
        self._database = database
        self._dead_letters = dead_letters
        self._drain_limit = drain_limit
        self._zone = zone
        self.size = size
        self._cluster_id = cluster_id
        self._group_id = group_id
        self._on_outbox = on_outbox
        self.release_requested = asyncio.Event()
        self.retrying = RetryHealth("a poll is", recording_metrics.RETRYING.labels("write"))

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to go on with partitions. Raises DatabaseUnavailableError."""

        def read(connection: Connection[Any]) -> dict[Partition, int]:
            with connection.transaction(), connection.cursor() as cursor:
                return offsets.next_offsets(cursor, self._cluster_id, if_unknown)

        return await self._database.run(read)

    async def dead_letters_before(
        self, nexts: Mapping[Partition, int], window: int
    ) -> dict[Partition, set[int]]:
        """Which of each partition's `window` offsets before `nexts` are registered as dead letters.

        Raises DatabaseUnavailableError.
        """

        def read(connection: Connection[Any]) -> dict[Partition, set[int]]:
            with connection.cursor() as cursor:
                return register.offsets_before(cursor, self._cluster_id, nexts, window)

        return await self._database.run(read)

    async def prepare(self, records: list[RawRecord]) -> Poll:
        """Judge and fold a poll's records: all that can be done before it is written.

        Records that are known to be folded already say nothing.
        """
        known = await self._known(records)
        # It computes for as long as hundreds of milliseconds.
        return await asyncio.to_thread(self._prepare, records, known)

    async def _known(self, records: list[RawRecord]) -> AbstractSet[bytes]:
        def ask(connection: Connection[Any]) -> set[bytes]:
            began = time.perf_counter()
            known = chain_rows.folded(connection, chains_named_by(records))
            recording_metrics.POLL_SECONDS.labels("ask").observe(time.perf_counter() - began)
            return known

        try:
            return await self._database.run(ask)
        except DatabaseUnavailableError:
            # Whoever writes the poll finds the same trouble and says so.
            return frozenset()

    def _prepare(self, records: list[RawRecord], known: AbstractSet[bytes]) -> Poll:
        ordered = sorted(
            records, key=lambda record: (record.topic, record.partition, record.offset)
        )
        began = time.perf_counter()
        judged = [decode_record(record, self._zone.to_local, known) for record in ordered]
        folded_from = time.perf_counter()
        prepared = Poll.of(judged)
        recording_metrics.POLL_SECONDS.labels("decode").observe(folded_from - began)
        recording_metrics.POLL_SECONDS.labels("fold").observe(time.perf_counter() - folded_from)
        return prepared

    async def record(
        self,
        poll: Poll,
        begins: Mapping[Partition, int],
        on_fenced: Callable[[], None] = lambda: None,
    ) -> dict[Partition, int]:
        """Write a poll and move the offsets, which stand at `begins`; returns the new ones.

        `on_fenced` is called, in another thread, when the poll that follows may be begun.

        Comes back only when that is done, however long the database is away; after a lost session
        it tries fewer records. A record that the database refuses is found by halving and becomes a
        dead letter.

        Raises OffsetsMovedError if another owner wrote some of them, PollAbandonedError if it
        failed and `release_requested` is set, or if the database refuses more records of a
        partition than the circuit breaker's limit.
        """
        with batch_span([one.record for one in poll.records], self._group_id):
            return await self._record(poll, begins, on_fenced)

    async def _record(
        self, poll: Poll, begins: Mapping[Partition, int], on_fenced: Callable[[], None]
    ) -> dict[Partition, int]:
        positions = dict(begins)
        refusals = Counter[Partition]()
        kept = await self._insist(lambda: self._dead_letters.publish(poll.records))
        parts = [poll.records]
        while parts:
            judged = parts.pop()
            try:
                # The next poll may begin when the last part of this one is fenced.
                when_fenced = _nothing if parts else on_fenced
                written = await self._write(judged, poll, positions, kept, when_fenced)
            except DataRefusedError as error:
                if len(judged) > 1:
                    middle = len(judged) // 2
                    parts += judged[middle:], judged[:middle]
                else:
                    refusals[judged[0].record.topic, judged[0].record.partition] += 1
                    if max(refusals.values()) > self._drain_limit.limit:
                        raise PollAbandonedError from error
                    parts.append([await self._refused(judged[0], str(error), kept)])
            else:
                positions |= written.next_offsets
                if len(written.records) < len(judged):
                    parts.append(judged[len(written.records) :])
        return positions

    async def _write(
        self,
        judged: list[DecodedRecord],
        ready: Poll,
        positions: Mapping[Partition, int],
        kept: Kept,
        on_fenced: Callable[[], None],
    ) -> Poll:
        """Write the first of these records, as many as may be now; returns them as a poll.

        `ready` is that poll if it has just these records. `on_fenced` is called for the last part.
        """
        with _tracer.start_as_current_span("write", kind=SpanKind.CLIENT) as span:
            span.set_attribute(DB_SYSTEM_NAME, "postgresql")
            # Of what holds nothing of a record the database can have nothing to refuse, ever.
            passing = () if any(map(_says_something, judged)) else (DataRefusedError,)
            part, written = await self._insist(
                lambda: self._try_to_write(judged, ready, positions, kept, on_fenced), *passing
            )
            span.set_attributes({f"ocrstream.{t}": n.written for t, n in written.rows.items()})
        self._report(part.records, written)
        self._drain_limit.written(part.records)
        return part

    async def _try_to_write(
        self,
        judged: list[DecodedRecord],
        ready: Poll,
        positions: Mapping[Partition, int],
        kept: Kept,
        on_fenced: Callable[[], None],
    ) -> tuple[Poll, Written]:
        part = ready
        if judged is not ready.records or len(judged) > self.size.next:
            part = await asyncio.to_thread(Poll.of, judged[: self.size.next])
        records = len(part.records)
        spans = {one: Span(positions[one], offset) for one, offset in part.next_offsets.items()}
        letters = _letters(part.records, kept)

        def write(connection: Connection[Any]) -> tuple[Written, float]:
            began = time.perf_counter()
            written = poll_transaction.write(
                connection,
                part.changes,
                self._zone,
                self._cluster_id,
                spans,
                letters=letters,
                on_fenced=on_fenced if records == len(judged) else _nothing,
            )
            return written, time.perf_counter() - began

        try:
            written, took_s = await self._database.run(write)
        except SessionLostError as lost:
            self.size.failed(records)
            recording_metrics.count_lost_session("poll", lost)
            raise
        self.size.committed(records, took_s)
        recording_metrics.POLL_SECONDS.labels("write").observe(took_s)
        return part, written

    def _report(self, part: list[DecodedRecord], written: Written) -> None:
        recording_metrics.POLL_RECORDS.observe(len(part))
        for topic, count in Counter(one.record.topic for one in part).items():
            recording_metrics.RECORDS.labels(topic).inc(count)
        known = Counter(one.record.topic for one in part if one.known)
        for topic, count in known.items():
            recording_metrics.RECORDS_KNOWN.labels(topic).inc(count)
        for table, rows in written.rows.items():
            recording_metrics.ROWS_STAGED.labels(table).inc(rows.staged)
            recording_metrics.ROWS_WRITTEN.labels(table).inc(rows.written)
            recording_metrics.ROWS_MISSING.labels(table).inc(max(0, rows.staged - rows.written))
        recording_metrics.PUBLIC_PATHS_REFUSED.inc(written.refused_public_paths)
        for code, count in written.warnings.items():
            recording_metrics.count_warnings(code, count)
        recording_metrics.BATCHES_COMPLETED.inc(written.batches_completed)
        now = datetime.now(UTC)
        for one in part:
            if one.changes is not None and one.changes.image is not None:
                submitted_at = self._zone.to_utc(one.changes.image.submitted_at)
                took_s = (now - submitted_at).total_seconds()
                # Submitted by a clock that is ahead of ours: at once.
                recording_metrics.SUBMITTED_TO_RECORDED_SECONDS.observe(max(0.0, took_s))
        if written.batches_completed or written.retries:
            self._on_outbox()
        log = logger.debug
        if any(rows.staged != rows.written for rows in written.rows.values()):
            log = logger.error
        log(
            "poll written",
            records=len(part),
            known=known.total(),
            staged={table: rows.staged for table, rows in written.rows.items()},
            written={table: rows.written for table, rows in written.rows.items()},
        )

    async def _refused(self, judged: DecodedRecord, error: str, kept: Kept) -> DecodedRecord:
        if judged.rejection is not None:
            # Not even what could be read of it can be stored: it stays a dead letter, uncounted.
            return reject_unreadable(judged.record, judged.rejection)
        rejected = reject_record(judged.record, "refused_by_database", error)
        kept |= await self._insist(lambda: self._dead_letters.publish([rejected]))
        return rejected

    async def _insist(
        self, attempt: Callable[[], Awaitable[ResultT]], *passing: type[Exception]
    ) -> ResultT:
        """What `attempt` returns, tried again with growing pauses for as long as it takes."""
        this = object()
        backoff_s = _FIRST_BACKOFF_S
        try:
            while True:
                try:
                    return await attempt()
                except (
                    DatabaseUnavailableError,
                    ConcurrentChangeError,
                    KafkaError,
                    *passing,
                ) as error:
                    recording_metrics.POLL_RETRIES.inc()
                    self.retrying.failed(error, this)
                    trace.get_current_span().add_event("to be tried again", {"error": str(error)})
                    logger.warning(
                        "poll to be tried again",
                        error=f"{type(error).__name__}: {error}",
                        backoff_s=backoff_s,
                        records_at_most=self.size.next,
                    )
                    if await self._told_to_let_go(backoff_s):
                        raise PollAbandonedError from error
                    backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
        finally:
            self.retrying.ended(this)

    async def _told_to_let_go(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self.release_requested.wait()
        except TimeoutError:
            return False
        return True


def _nothing() -> None:
    """Nothing follows yet."""


def _says_something(judged: DecodedRecord) -> bool:
    """Whether anything of what the record holds is to be stored."""
    rejection = judged.rejection
    return judged.changes is not None or (
        rejection is not None and (rejection.chain_id is not None or rejection.batch_id is not None)
    )


def _letters(judged: list[DecodedRecord], kept: Kept) -> list[DeadLetterRow]:
    return [
        DeadLetterRow(
            record_ref(record),
            rejection.reason,
            storable_error(rejection.error),
            rejection.chain_id,
            rejection.batch_id,
            kept[Coordinates(record.topic, record.partition, record.offset)],
            redrive_of(record.headers),
        )
        for record, _, rejection in judged
        if rejection is not None
    ]
