"""Rows of batch_executions: stubs first, counts last, both in the order of the keys."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Cursor

from ocrstream_recorder.database.typed_rows import (
    Columns,
    TableRow,
    assignments,
    columns_of,
    records,
    rows_parameter,
    select_list,
)
from ocrstream_recorder.rules.batch import (
    BatchFields,
    BatchOutcome,
    BatchState,
    ChunkCounts,
    ChunkTally,
    Tally,
    batch_outcome,
    countable_chunks,
)
from ocrstream_recorder.rules.canonical_json import canonical_json
from ocrstream_recorder.rules.description import Description, Source
from ocrstream_recorder.rules.lattice import greatest
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_recorder.rules.throughput import WINDOW_S


class BatchRow(TableRow):
    """A batch as it is written."""

    batch_name: Annotated[str | None, "text"]
    status: Annotated[ProcessStatus, "text"]
    total_images: Annotated[int, "int"]
    completed_images: Annotated[int, "int"]
    failed_images: Annotated[int, "int"]
    total_chunks: Annotated[int, "int"]
    completed_chunks: Annotated[int, "int"]
    failed_chunks: Annotated[int, "int"]
    chunk_size: Annotated[int, "int"]
    started_at: Annotated[datetime | None, "timestamp"]
    finished_at: Annotated[datetime | None, "timestamp"]
    initiated_by: Annotated[str | None, "text"]
    input_data: Annotated[msgspec.Raw | None, "json"]
    options: Annotated[msgspec.Raw | None, "json"]
    final_result: Annotated[dict[str, Any] | None, "json"]
    total_known: Annotated[bool, "bool"]
    seen_images: Annotated[int, "int"]
    revoked_images: Annotated[int, "int"]
    revision: Annotated[int, "int"]
    ended: Annotated[bool, "bool"]
    run: Annotated[int, "int"]
    revoked_run: Annotated[int, "int"]
    announced_total: Annotated[int | None, "int"]
    hinted_total: Annotated[int | None, "int"]
    begun_images: Annotated[int, "int"]
    revoked_chains: Annotated[int, "int"]
    unindexed_images: Annotated[int, "int"]
    failed_by_reason: Annotated[dict[str, int], "json"]
    last_event_at: Annotated[datetime | None, "timestamp"]
    ranks: Annotated[tuple[int, ...], "bigint[]"]
    run_began_at: Annotated[datetime | None, "timestamp"]
    cancel_due_at: Annotated[datetime | None, "timestamptz"]


class _LockedRow(NamedTuple):
    """A stub has no ranks; a row from before the recorder may lack any number."""

    id: int
    batch_id: str
    announced_total: int | None
    hinted_total: int | None
    run: int
    revoked_run: int
    started_at: datetime | None
    last_event_at: datetime | None
    batch_name: str | None
    initiated_by: str | None
    options: Any
    input_data: Any
    chunk_size: int | None
    ranks: list[int] | None
    seen_images: int
    begun_images: int
    completed_images: int | None
    failed_images: int | None
    revoked_chains: int
    unindexed_images: int
    failed_by_reason: dict[str, int]
    total_chunks: int
    completed_chunks: int
    failed_chunks: int
    revision: int
    run_began_at: datetime | None
    cancel_due_at: datetime | None
    total_images: int | None
    finished_at: datetime | None


_COLUMNS = columns_of(BatchRow)
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}

# The filter first: an insert that conflicts burns a number of the id's sequence.
_STUB = """
INSERT INTO batch_executions (batch_id, run)
SELECT b, 1 FROM unnest(%s::text[]) AS b
WHERE NOT EXISTS (SELECT FROM batch_executions e WHERE e.batch_id = b)
ORDER BY b COLLATE "C"
ON CONFLICT (batch_id) DO NOTHING
"""

_LOCK = f"""
SELECT {select_list(_LockedRow)}
FROM batch_executions
WHERE batch_id = ANY(%s)
ORDER BY batch_id COLLATE "C"
FOR NO KEY UPDATE
"""

# Images done lately, older ones weighing less. Rounded, or ever smaller weights would end in an
# error of the server.
_RECENT = """
round((
    b.recent_images
    * exp(-least(greatest(extract(epoch FROM now() - b.recent_at), 0), 600)::float8 / %s)
    + greatest(r.completed_images + r.failed_images
               - coalesce(b.completed_images, 0) - coalesce(b.failed_images, 0), 0)
)::numeric, 6)
"""
_UPDATE = f"""
UPDATE batch_executions b SET {assignments(_COLUMNS)},
    recent_images = {_RECENT}, recent_at = greatest(b.recent_at, now())
FROM {records(_UPDATED)} WHERE b.id = r.id
"""

_COUNT = """
count(*) FILTER (WHERE c.status = 'SUCCESS') AS succeeded,
count(*) FILTER (WHERE c.status IN ('SUCCESS', 'FAILURE', 'REVOKED')) AS done
"""
_ALL_CHUNKS = f"""
SELECT w.batch_id, c.image_index / w.chunk_size, {_COUNT}
FROM unnest(%s::text[], %s::int[]) AS w(batch_id, chunk_size)
JOIN chain_executions c ON c.batch_id = w.batch_id AND c.run > 0 AND c.image_index IS NOT NULL
GROUP BY 1, 2
"""
_SOME_CHUNKS = f"""
SELECT w.batch_id, w.chunk, n.succeeded, n.done
FROM unnest(%s::text[], %s::int[], %s::int[]) AS w(batch_id, chunk, chunk_size)
CROSS JOIN LATERAL (
    SELECT {_COUNT} FROM chain_executions c
    WHERE c.batch_id = w.batch_id AND c.run > 0
      AND c.image_index >= w.chunk::bigint * w.chunk_size
      AND c.image_index < (w.chunk::bigint + 1) * w.chunk_size
) n
"""


class StoredBatch(NamedTuple):
    """A batch's row."""

    id: int
    state: BatchState
    tally: Tally
    chunks: ChunkCounts
    revision: int
    cancel_due_at: datetime | None


# What only the recorder needs; a batch that ended is not announced again when just this changes.
_INTERNAL = frozenset(
    {
        "ranks",
        "announced_total",
        "hinted_total",
        "begun_images",
        "revoked_chains",
        "unindexed_images",
        "last_event_at",
        "run_began_at",
        "cancel_due_at",
    }
)

Chunks = dict[str, dict[int, ChunkTally]]
"""Tallies by batch_id and chunk number."""


def insert_stubs(cursor: Cursor[Any], batch_ids: Iterable[str]) -> None:
    """Make sure that each batch has a row."""
    wanted = sorted(batch_ids)
    if wanted:
        cursor.execute(_STUB, (wanted,))


def lock(cursor: Cursor[Any], batch_ids: Iterable[str]) -> dict[str, StoredBatch]:
    """Lock the rows, in the order of their keys, and load them."""
    cursor.execute(_LOCK, (sorted(batch_ids),))
    return {row.batch_id: _stored(row) for row in map(_LockedRow._make, cursor)}


def update(cursor: Cursor[Any], rows: list[BatchRow]) -> int:
    """Write rows made by `row_of`, which are locked; return how many the server wrote."""
    if not rows:
        return 0
    return cursor.execute(_UPDATE, (WINDOW_S, rows_parameter(rows))).rowcount


def count_all_chunks(cursor: Cursor[Any], chunk_sizes: Mapping[str, int]) -> Chunks:
    """Every chunk of the given batches. Only right under the batches' locks."""
    if not chunk_sizes:
        return {}
    cursor.execute(_ALL_CHUNKS, (list(chunk_sizes), list(chunk_sizes.values())))
    return _chunks(cursor)


def count_chunks(cursor: Cursor[Any], wanted: Iterable[tuple[str, int, int]]) -> Chunks:
    """Chunks, each given as (batch_id, number, chunk_size). Only right under the batches' locks."""
    columns = list(zip(*wanted, strict=True))
    if not columns:
        return {}
    cursor.execute(_SOME_CHUNKS, tuple(list(column) for column in columns))
    return _chunks(cursor)


def row_of(
    stored: StoredBatch, state: BatchState, tally: Tally, outcome: BatchOutcome, chunks: ChunkCounts
) -> BatchRow:
    """The row as it is to be written, its revision and its due cancel unchanged."""
    fields = state.fields
    reasons = dict(sorted(tally.reasons.items()))
    return BatchRow(
        id=stored.id,
        batch_name=fields.batch_name,
        status=outcome.status,
        total_images=outcome.total_images,
        completed_images=outcome.completed_images,
        failed_images=outcome.failed_images,
        total_chunks=chunks.total,
        completed_chunks=chunks.completed,
        failed_chunks=chunks.failed,
        chunk_size=state.chunk_size,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        initiated_by=fields.initiated_by,
        input_data=fields.input_data,
        options=fields.options,
        final_result={"failed_by_reason": reasons} if outcome.ended else None,
        total_known=outcome.total_known,
        seen_images=tally.seen,
        revoked_images=outcome.revoked_images,
        revision=stored.revision,
        ended=outcome.ended,
        run=state.run,
        revoked_run=state.revoked_run,
        announced_total=state.announced_total,
        hinted_total=state.hinted_total,
        begun_images=tally.begun,
        revoked_chains=tally.revoked,
        unindexed_images=tally.unindexed,
        failed_by_reason=reasons,
        last_event_at=state.last_at,
        ranks=state.description.ranks,
        run_began_at=state.run_began_at,
        cancel_due_at=stored.cancel_due_at,
    )


def public_part(row: BatchRow) -> dict[str, Any]:
    """The columns of a row that readers see."""
    columns = msgspec.structs.asdict(row)
    return {name: value for name, value in columns.items() if name not in _INTERNAL}


def _chunks(cursor: Cursor[Any]) -> Chunks:
    found: Chunks = {}
    for batch_id, number, succeeded, done in cursor:
        found.setdefault(batch_id, {})[number] = ChunkTally(succeeded, done)
    return found


def _stored(row: _LockedRow) -> StoredBatch:
    fields = BatchFields(
        row.batch_name,
        row.initiated_by,
        canonical_json(row.options),
        canonical_json(row.input_data),
        row.chunk_size,
    )
    if row.run == 0:
        return _taken_over(row, fields)
    state = BatchState(
        row.batch_id,
        row.announced_total,
        row.hinted_total,
        row.run,
        row.revoked_run,
        row.started_at,
        row.last_event_at,
        Description.of_row(fields, row.ranks or (0,) * len(fields)),
        row.run_began_at,
    )
    tally = Tally(
        row.seen_images,
        row.begun_images,
        row.completed_images or 0,
        row.failed_images or 0,
        row.revoked_chains,
        row.unindexed_images,
        Counter(row.failed_by_reason),
    )
    chunks = ChunkCounts(row.total_chunks, row.completed_chunks, row.failed_chunks)
    return StoredBatch(row.id, state, tally, chunks, row.revision, row.cancel_due_at)


def _taken_over(row: _LockedRow, fields: BatchFields) -> StoredBatch:
    """A batch from before the recorder, which an event is about for the first time now.

    Its total counts as announced, its images as counted, its fields as described by a run before
    the first. Where its images stand in it is not known, so it has no chunks once some are done.
    """
    completed, failed = row.completed_images or 0, row.failed_images or 0
    done = completed + failed
    state = BatchState(
        row.batch_id,
        announced_total=row.total_images or None,
        first_at=row.started_at,
        last_at=greatest(row.started_at, row.finished_at),
        description=Description.of(fields, 0, Source.ANNOUNCEMENT),
    )
    tally = Tally(seen=done, completed=completed, failed=failed, unindexed=done)
    chunks = ChunkCounts(countable_chunks(state.chunk_size, tally, batch_outcome(state, tally)))
    return StoredBatch(row.id, state, tally, chunks, row.revision, row.cancel_due_at)
