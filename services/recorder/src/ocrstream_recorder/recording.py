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

from ocrstream_recorder import metrics
from ocrstream_recorder.dead_letters import DeadLetterSink, Kept, storable_error
from ocrstream_recorder.domain.ledger import Ledger
from ocrstream_recorder.drain_limit import DrainLimit
from ocrstream_recorder.intake import (
    Judged,
    chains_named_by,
    judge,
    reject,
    reject_unread,
)
from ocrstream_recorder.retrying import Retrying
from ocrstream_recorder.store import chains, dead_letters, offsets, poll
from ocrstream_recorder.store.database import (
    Database,
    DatabaseUnavailable,
    DataRefused,
    SessionLost,
)
from ocrstream_recorder.store.dead_letters import Coordinates, DeadLetterRow
from ocrstream_recorder.store.offsets import Partition, Span
from ocrstream_recorder.store.poll import ConcurrentChangeError, Written
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_recorder.transaction_size import TransactionSize
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

    judged: list[Judged]
    ledger: Ledger
    nexts: dict[Partition, int]

    @classmethod
    def of(cls, judged: list[Judged]) -> Self:
        """A poll of these records."""
        return cls(
            judged,
            Ledger([one.contribution for one in judged if one.contribution is not None]),
            {(one.topic, one.partition): one.offset + 1 for one, _, _ in judged},
        )


class GivenBack(Exception):
    """Some of the poll is not written: asked to let go, or the database refuses most of it."""


class Recording:
    """Writes polls; two at a time, if the second begins when the first is fenced.

    `size` tells how many records the next poll may have; of more, it writes part after part.
    `let_go` asks it to stop trying: to end, or because other replicas wait for its partitions.
    """

    def __init__(
        self,
        database: Database,
        dead_letters: DeadLetterSink,
        drain_limit: DrainLimit,
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
        self.let_go = asyncio.Event()
        self.retrying = Retrying("a poll is", metrics.RETRYING.labels("write"))

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to go on with partitions. Raises DatabaseUnavailable."""

        def read(connection: Connection[Any]) -> dict[Partition, int]:
            with connection.transaction(), connection.cursor() as cursor:
                return offsets.next_offsets(cursor, self._cluster_id, if_unknown)

        return await self._database.run(read)

    async def dead_letters_before(
        self, nexts: Mapping[Partition, int], window: int
    ) -> dict[Partition, set[int]]:
        """Which of each partition's `window` offsets before `nexts` are registered as dead letters.

        Raises DatabaseUnavailable.
        """

        def read(connection: Connection[Any]) -> dict[Partition, set[int]]:
            with connection.cursor() as cursor:
                return dead_letters.offsets_before(cursor, self._cluster_id, nexts, window)

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
            known = chains.folded(connection, chains_named_by(records))
            metrics.POLL_SECONDS.labels("lookup").observe(time.perf_counter() - began)
            return known

        try:
            return await self._database.run(ask)
        except DatabaseUnavailable:
            # Whoever writes the poll finds the same trouble and says so.
            return frozenset()

    def _prepare(self, records: list[RawRecord], known: AbstractSet[bytes]) -> Poll:
        ordered = sorted(
            records, key=lambda record: (record.topic, record.partition, record.offset)
        )
        began = time.perf_counter()
        judged = [judge(record, self._zone.to_local, known) for record in ordered]
        folded_from = time.perf_counter()
        prepared = Poll.of(judged)
        metrics.POLL_SECONDS.labels("decode").observe(folded_from - began)
        metrics.POLL_SECONDS.labels("fold").observe(time.perf_counter() - folded_from)
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
        dead letter. Raises OffsetsMovedError if
        another owner wrote some of them; GivenBack if it failed and `let_go` is set, or if the
        database refuses more records of a partition than the drain limit has room for.
        """
        with batch_span([one.record for one in poll.judged], self._group_id):
            return await self._record(poll, begins, on_fenced)

    async def _record(
        self, poll: Poll, begins: Mapping[Partition, int], on_fenced: Callable[[], None]
    ) -> dict[Partition, int]:
        positions = dict(begins)
        refusals = Counter[Partition]()
        kept = await self._insist(lambda: self._dead_letters.publish(poll.judged))
        parts = [poll.judged]
        while parts:
            judged = parts.pop()
            try:
                # The next poll may begin when the last part of this one is fenced.
                when_fenced = _nothing if parts else on_fenced
                written = await self._write(judged, poll, positions, kept, when_fenced)
            except DataRefused as error:
                if len(judged) > 1:
                    middle = len(judged) // 2
                    parts += judged[middle:], judged[:middle]
                else:
                    refusals[judged[0].record.topic, judged[0].record.partition] += 1
                    if max(refusals.values()) > self._drain_limit.limit:
                        raise GivenBack from error
                    parts.append([await self._refused(judged[0], str(error), kept)])
            else:
                positions |= written.nexts
                if len(written.judged) < len(judged):
                    parts.append(judged[len(written.judged) :])
        return positions

    async def _write(
        self,
        judged: list[Judged],
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
            passing = () if any(map(_says_something, judged)) else (DataRefused,)
            part, written = await self._insist(
                lambda: self._try_to_write(judged, ready, positions, kept, on_fenced), *passing
            )
            span.set_attributes({f"ocrstream.{t}": n.written for t, n in written.rows.items()})
        self._report(part.judged, written)
        self._drain_limit.written(part.judged)
        return part

    async def _try_to_write(
        self,
        judged: list[Judged],
        ready: Poll,
        positions: Mapping[Partition, int],
        kept: Kept,
        on_fenced: Callable[[], None],
    ) -> tuple[Poll, Written]:
        part = ready
        if judged is not ready.judged or len(judged) > self.size.next:
            part = await asyncio.to_thread(Poll.of, judged[: self.size.next])
        records = len(part.judged)
        spans = {one: Span(positions[one], offset) for one, offset in part.nexts.items()}
        letters = _letters(part.judged, kept)

        def write(connection: Connection[Any]) -> tuple[Written, float]:
            began = time.perf_counter()
            written = poll.write(
                connection,
                part.ledger,
                self._zone,
                self._cluster_id,
                spans,
                letters=letters,
                on_fenced=on_fenced if records == len(judged) else _nothing,
            )
            return written, time.perf_counter() - began

        try:
            written, took_s = await self._database.run(write)
        except SessionLost as lost:
            self.size.failed(records)
            metrics.count_lost_session("poll", lost)
            raise
        self.size.committed(records, took_s)
        metrics.POLL_SECONDS.labels("write").observe(took_s)
        return part, written

    def _report(self, part: list[Judged], written: Written) -> None:
        metrics.POLL_RECORDS.observe(len(part))
        for topic, count in Counter(one.record.topic for one in part).items():
            metrics.RECORDS.labels(topic).inc(count)
        known = Counter(one.record.topic for one in part if one.known)
        for topic, count in known.items():
            metrics.RECORDS_DEDUPLICATED.labels(topic).inc(count)
        for table, rows in written.rows.items():
            metrics.ROWS_STAGED.labels(table).inc(rows.staged)
            metrics.ROWS_WRITTEN.labels(table).inc(rows.written)
            metrics.ROWS_MISSING.labels(table).inc(max(0, rows.staged - rows.written))
        metrics.PUBLIC_PATHS_REFUSED.inc(written.refused_public_paths)
        for code, count in written.warnings.items():
            metrics.count_warnings(code, count)
        metrics.BATCHES_COMPLETED.inc(written.batches_completed)
        now = datetime.now(UTC)
        for one in part:
            if one.contribution is not None and one.contribution.image is not None:
                submitted_at = self._zone.to_utc(one.contribution.image.submitted_at)
                took_s = (now - submitted_at).total_seconds()
                # Submitted by a clock that is ahead of ours: at once.
                metrics.SUBMITTED_TO_RECORDED_SECONDS.observe(max(0.0, took_s))
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

    async def _refused(self, judged: Judged, error: str, kept: Kept) -> Judged:
        if judged.rejection is not None:
            # Not even what could be read of it can be stored: it stays a dead letter, uncounted.
            return reject_unread(judged.record, judged.rejection)
        rejected = reject(judged.record, "refused_by_database", error)
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
                except (DatabaseUnavailable, ConcurrentChangeError, KafkaError, *passing) as error:
                    metrics.POLL_RETRIES.inc()
                    self.retrying.failed(error, this)
                    trace.get_current_span().add_event("to be tried again", {"error": str(error)})
                    logger.warning(
                        "poll to be tried again",
                        error=f"{type(error).__name__}: {error}",
                        backoff_s=backoff_s,
                        records_at_most=self.size.next,
                    )
                    if await self._told_to_let_go(backoff_s):
                        raise GivenBack from error
                    backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
        finally:
            self.retrying.ended(this)

    async def _told_to_let_go(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self.let_go.wait()
        except TimeoutError:
            return False
        return True


def _nothing() -> None:
    """Nothing follows yet."""


def _says_something(judged: Judged) -> bool:
    """Whether anything of what the record holds is to be stored."""
    rejection = judged.rejection
    return judged.contribution is not None or (
        rejection is not None and (rejection.chain_id is not None or rejection.batch_id is not None)
    )


def _letters(judged: list[Judged], kept: Kept) -> list[DeadLetterRow]:
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
