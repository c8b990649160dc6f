"""The last step of a poll: batches are joined, and their images counted by difference."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from psycopg import Cursor

from ocrstream_recorder.database.typed_rows import RowCount
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.outbox import outbox_rows, webhook_rows
from ocrstream_recorder.outbox.outbox_rows import OutboxEvent
from ocrstream_recorder.recording import batch_rows
from ocrstream_recorder.recording.batch_rows import BatchRow, Chunks, StoredBatch
from ocrstream_recorder.rules.batch import (
    BatchOutcome,
    BatchState,
    ChunkCounts,
    ChunkTally,
    Tally,
    batch_outcome,
    chunk_counts,
    chunk_ended,
    countable_chunks,
)
from ocrstream_recorder.rules.chain import Chain
from ocrstream_recorder.rules.deadline import cancel_due_at
from ocrstream_schemas.batch_options import WEBHOOK_URL, deadline_of
from ocrstream_schemas.codec import encode
from ocrstream_schemas.errors import InvalidOptionError
from ocrstream_schemas.events import BatchCompleted
from ocrstream_schemas.topics import BATCHES_COMPLETED

logger = structlog.get_logger(__name__)


class WrittenBatches(NamedTuple):
    """Batches whose rows changed, and how many BatchCompleted events follow."""

    rows: RowCount
    completed: int


class _Change:
    """How the images of one batch changed: all of them, and by index for the chunks."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.by_index: defaultdict[int, ChunkTally] = defaultdict(ChunkTally)

    def count(self, chain: Chain, times: int) -> None:
        self.tally.count(chain.state, chain.outcome, times)
        if chain.state.index is not None:
            self.by_index[chain.state.index].count(chain.outcome, times)

    def by_chunk(self, chunk_size: int) -> dict[int, ChunkTally]:
        """Chunks that changed, by number."""
        chunks: defaultdict[int, ChunkTally] = defaultdict(ChunkTally)
        for index, tally in self.by_index.items():
            if tally != ChunkTally():
                chunk = chunks[index // chunk_size]
                chunk.succeeded += tally.succeeded
                chunk.done += tally.done
        return chunks


class _Batch(NamedTuple):
    """A batch under its lock, before and after the poll; chunks are still to be counted."""

    stored: StoredBatch
    outcome_before: BatchOutcome
    state: BatchState
    tally: Tally
    outcome: BatchOutcome
    changed_chunks: dict[int, ChunkTally]
    changed_indexes: int

    @property
    def total_chunks(self) -> int:
        return countable_chunks(self.state.chunk_size, self.tally, self.outcome)

    @property
    def recount(self) -> bool:
        """Whether to count all chunks, because differences do not suffice or are too many."""
        before = countable_chunks(
            self.stored.state.chunk_size, self.stored.tally, self.outcome_before
        )
        return (
            not (before and self.total_chunks)
            or self.stored.state.chunk_size != self.state.chunk_size
            or (self.outcome_before.ended and not self.outcome.ended)
            or len(self.resized_chunks) > self.changed_indexes
        )

    @property
    def resized_chunks(self) -> range:
        """Chunks that another total resizes. An unannounced batch grows with each image, so its
        chunk counts are derived again.
        """
        size = self.state.chunk_size
        less, more = sorted((self.outcome_before.total_images, self.outcome.total_images))
        return range(0) if less == more else range(less // size, -(-more // size))


def write(
    cursor: Cursor[Any],
    states: Mapping[str, BatchState],
    chains: Iterable[tuple[Chain | None, Chain]],
    zone: DatabaseZone,
) -> WrittenBatches | None:
    """Join `states` into the batches and move their counts by how `chains`, each before and after
    the poll, changed; None if a batch has no row.
    """
    changes: defaultdict[str, _Change] = defaultdict(_Change)
    for before, after in chains:
        if before == after:
            continue
        for chain, times in ((before, -1), (after, 1)):
            if chain is not None and chain.state.batch_id is not None:
                changes[chain.state.batch_id].count(chain, times)
    wanted = states.keys() | changes.keys()
    if not wanted:
        return WrittenBatches(RowCount(0, 0), 0)
    locked = batch_rows.lock(cursor, wanted)
    if locked.keys() != wanted:
        return None
    touched = [
        _join(stored, states.get(batch_id), changes[batch_id])
        for batch_id, stored in locked.items()
    ]
    rows, events = _rows(touched, *_count_chunks(cursor, touched), zone)
    written = batch_rows.update(cursor, rows)
    outbox_rows.insert(cursor, [_event(event) for event in events])
    webhook_rows.insert(cursor, _deliveries(touched, events))
    return WrittenBatches(RowCount(len(rows), written), len(events))


def _join(stored: StoredBatch, state: BatchState | None, change: _Change) -> _Batch:
    joined = stored.state if state is None else stored.state.join(state)
    tally = stored.tally.add(change.tally)
    return _Batch(
        stored,
        batch_outcome(stored.state, stored.tally),
        joined,
        tally,
        batch_outcome(joined, tally),
        change.by_chunk(joined.chunk_size),
        len(change.by_index),
    )


def _count_chunks(cursor: Cursor[Any], touched: list[_Batch]) -> tuple[Chunks, Chunks]:
    recounted = batch_rows.count_all_chunks(
        cursor,
        {
            batch.state.batch_id: batch.state.chunk_size
            for batch in touched
            if batch.recount and batch.total_chunks
        },
    )
    changed = batch_rows.count_chunks(
        cursor,
        [
            (batch.state.batch_id, number, batch.state.chunk_size)
            for batch in touched
            if not batch.recount and batch.total_chunks
            for number in batch.changed_chunks.keys() | set(batch.resized_chunks)
        ],
    )
    return recounted, changed


def _rows(
    touched: list[_Batch], recounted: Chunks, changed: Chunks, zone: DatabaseZone
) -> tuple[list[BatchRow], list[BatchCompleted]]:
    rows: list[BatchRow] = []
    events: list[BatchCompleted] = []
    for batch in touched:
        batch_id, stored = batch.state.batch_id, batch.stored
        if batch.recount:
            tallies = recounted.get(batch_id, {})
            chunks = chunk_counts(batch.state, batch.tally, batch.outcome, tallies)
        else:
            chunks = _moved(batch, changed.get(batch_id, {}))
        before = batch_rows.row_of(
            stored, stored.state, stored.tally, batch.outcome_before, stored.chunks
        )
        after = batch_rows.row_of(stored, batch.state, batch.tally, batch.outcome, chunks)
        after.cancel_due_at = _cancel_due_at(batch, zone)
        if before == after:
            continue
        if (batch.outcome_before.ended or batch.outcome.ended) and (
            batch_rows.public_part(before) != batch_rows.public_part(after)
        ):
            after.revision += 1
            events.append(_completed(batch, after.revision, zone))
        rows.append(after)
    return rows, events


def _moved(batch: _Batch, counted: Mapping[int, ChunkTally]) -> ChunkCounts:
    """The chunk counts, by the difference that the poll made to the chunks it touched."""
    total = batch.total_chunks
    completed, failed = batch.stored.chunks.completed, batch.stored.chunks.failed
    for number, now in counted.items():
        change = batch.changed_chunks.get(number, ChunkTally())
        before = ChunkTally(now.succeeded - change.succeeded, now.done - change.done)
        for tally, outcome, times in ((before, batch.outcome_before, -1), (now, batch.outcome, 1)):
            succeeded, done = chunk_ended(
                number, tally, batch.state.chunk_size, outcome.total_images
            )
            completed += times * succeeded
            failed += times * (done and not succeeded)
    if batch.outcome.ended:
        failed = total - completed
    return ChunkCounts(total, completed, failed)


def _cancel_due_at(batch: _Batch, zone: DatabaseZone) -> datetime | None:
    state = batch.state
    try:
        deadline = deadline_of(state.options)
    except InvalidOptionError as error:
        deadline = None
        if state.options != batch.stored.state.options:
            logger.warning("option ignored", batch_id=state.batch_id, error=str(error))
    return cancel_due_at(
        deadline,
        ended=batch.outcome.ended,
        run=state.run,
        run_began_at=state.run_began_at and zone.to_utc(state.run_began_at),
    )


def _deliveries(touched: list[_Batch], events: list[BatchCompleted]) -> list[webhook_rows.Delivery]:
    """The deliveries to webhooks; whether a URL can be used is checked when it is used."""
    urls = {batch.state.batch_id: batch.state.options.get(WEBHOOK_URL) for batch in touched}
    return [
        webhook_rows.Delivery(
            event.batch_id, event.revision, url if isinstance(url, str) else "", encode(event)
        )
        for event in events
        if (url := urls[event.batch_id]) is not None
    ]


def _event(completed: BatchCompleted) -> OutboxEvent:
    batch_id = completed.batch_id
    event_id = f"{batch_id}:{completed.revision}"
    return OutboxEvent(event_id, BATCHES_COMPLETED, batch_id, encode(completed))


def _completed(batch: _Batch, revision: int, zone: DatabaseZone) -> BatchCompleted:
    state, outcome = batch.state, batch.outcome
    return BatchCompleted(
        batch_id=state.batch_id,
        revision=revision,
        status=outcome.status,
        total_images=outcome.total_images,
        completed_images=outcome.completed_images,
        failed_images=outcome.failed_images,
        revoked_images=outcome.revoked_images,
        failed_by_reason=dict(sorted(batch.tally.reasons.items())),
        batch_name=state.fields.batch_name,
        initiated_by=state.fields.initiated_by,
        started_at=outcome.started_at and zone.to_utc(outcome.started_at),
        finished_at=outcome.finished_at and zone.to_utc(outcome.finished_at),
    )
