"""Rows of batch_executions: stubs first, counts last, both in the order of the keys."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from ocrstream_recorder.database.json_rows import Columns, assignments, records, rows_parameter
from ocrstream_recorder.rules.batch import (
    BATCH_FIELDS,
    BatchOutcome,
    BatchState,
    ChunkCounts,
    ChunkTally,
    Tally,
    batch_outcome,
    countable_chunks,
)
from ocrstream_recorder.rules.canonical import document, greatest
from ocrstream_recorder.rules.description import Description, Source
from ocrstream_recorder.rules.throughput import WINDOW_S

_COLUMNS: Columns = {
    "id": "bigint",
    "batch_name": "text",
    "status": "text",
    "total_images": "int",
    "completed_images": "int",
    "failed_images": "int",
    "total_chunks": "int",
    "completed_chunks": "int",
    "failed_chunks": "int",
    "chunk_size": "int",
    "started_at": "timestamp",
    "finished_at": "timestamp",
    "initiated_by": "text",
    "input_data": "json",
    "options": "json",
    "final_result": "json",
    "total_known": "bool",
    "seen_images": "int",
    "revoked_images": "int",
    "revision": "int",
    "ended": "bool",
    "run": "int",
    "revoked_run": "int",
    "announced_total": "int",
    "hinted_total": "int",
    "begun_images": "int",
    "revoked_chains": "int",
    "unindexed_images": "int",
    "failed_by_reason": "json",
    "last_event_at": "timestamp",
    "ranks": "bigint[]",
    "run_began_at": "timestamp",
    "cancel_due_at": "timestamptz",
}

# The filter first: an insert that conflicts burns a number of the id's sequence.
_STUB = """
INSERT INTO batch_executions (batch_id, run)
SELECT b, 1 FROM unnest(%s::text[]) AS b
WHERE NOT EXISTS (SELECT FROM batch_executions e WHERE e.batch_id = b)
ORDER BY b COLLATE "C"
ON CONFLICT (batch_id) DO NOTHING
"""

_LOCK = """
SELECT id, batch_id, announced_total, hinted_total, run, revoked_run, started_at, last_event_at,
       batch_name, initiated_by, options, input_data, chunk_size, ranks,
       seen_images, begun_images, completed_images, failed_images, revoked_chains,
       unindexed_images, failed_by_reason,
       total_chunks, completed_chunks, failed_chunks, revision, run_began_at, cancel_due_at,
       total_images, finished_at
FROM batch_executions
WHERE batch_id = ANY(%s)
ORDER BY batch_id COLLATE "C"
FOR NO KEY UPDATE
"""

# Images done lately, older ones weighing less. Rounded, or ever smaller weights would end in an
# error of the server's.
_RECENT = """
round((
    b.recent_images
    * exp(-least(greatest(extract(epoch FROM now() - b.recent_at), 0), 600)::float8 / %s)
    + greatest(r.completed_images + r.failed_images
               - coalesce(b.completed_images, 0) - coalesce(b.failed_images, 0), 0)
)::numeric, 6)
"""
_UPDATE = f"""
UPDATE batch_executions b SET {assignments(_COLUMNS, "id")},
    recent_images = {_RECENT}, recent_at = greatest(b.recent_at, now())
FROM {records(_COLUMNS)} WHERE b.id = r.id
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
    return {row[1]: _stored(row) for row in cursor}


def update(cursor: Cursor[Any], rows: list[dict[str, Any]]) -> int:
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
) -> dict[str, Any]:
    """The row as it is to be written, its revision and its due cancel unchanged."""
    described = state.described()
    reasons = dict(sorted(tally.reasons.items()))
    return {
        **described,
        "id": stored.id,
        "status": outcome.status,
        "total_images": outcome.total_images,
        "completed_images": outcome.completed_images,
        "failed_images": outcome.failed_images,
        "total_chunks": chunks.total,
        "completed_chunks": chunks.completed,
        "failed_chunks": chunks.failed,
        "chunk_size": state.chunk_size,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "final_result": {"failed_by_reason": reasons} if outcome.ended else None,
        "total_known": outcome.total_known,
        "seen_images": tally.seen,
        "revoked_images": outcome.revoked_images,
        "revision": stored.revision,
        "ended": outcome.ended,
        "run": state.run,
        "revoked_run": state.revoked_run,
        "announced_total": state.announced_total,
        "hinted_total": state.hinted_total,
        "begun_images": tally.begun,
        "revoked_chains": tally.revoked,
        "unindexed_images": tally.unindexed,
        "failed_by_reason": reasons,
        "last_event_at": state.last_at,
        "ranks": state.description.ranks,
        "run_began_at": state.run_began_at,
        "cancel_due_at": stored.cancel_due_at,
    }


def public_part(row: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row readers see."""
    return {name: value for name, value in row.items() if name not in _INTERNAL}


def _chunks(cursor: Cursor[Any]) -> Chunks:
    found: Chunks = {}
    for batch_id, number, succeeded, done in cursor:
        found.setdefault(batch_id, {})[number] = ChunkTally(succeeded, done)
    return found


def _stored(row: tuple[Any, ...]) -> StoredBatch:
    row_id, batch_id, announced, hinted, run, revoked_run, first_at, last_at = row[:8]
    name, initiator, options, input_data, chunk_size = row[8:13]
    told = (name, initiator, document(options), document(input_data), chunk_size)
    if run == 0:
        return _taken_over(row, told)
    ranks = row[13] or (0,) * len(BATCH_FIELDS)
    seen, begun, completed, failed, revoked, unindexed, reasons = row[14:21]
    values = tuple(value if rank else None for value, rank in zip(told, ranks, strict=True))
    return StoredBatch(
        row_id,
        BatchState(
            batch_id,
            announced,
            hinted,
            max(run, 1),
            revoked_run,
            first_at,
            last_at,
            Description(values, tuple(ranks)),
            row[25],
        ),
        Tally(seen, begun, completed, failed, revoked, unindexed, Counter(reasons)),
        ChunkCounts(*row[21:24]),
        row[24],
        row[26],
    )


def _taken_over(row: tuple[Any, ...], told: tuple[Any, ...]) -> StoredBatch:
    """A batch from before the recorder, of which the first event tells now.

    Its total holds as announced, its images as counted, what it says of itself as said by a run
    before the first. Where its images stand in it is not known, so it has no chunks once some
    are done.
    """
    row_id, batch_id, first_at, finished_at = row[0], row[1], row[6], row[28]
    completed, failed, total = row[16] or 0, row[17] or 0, row[27]
    done = completed + failed
    state = BatchState(
        batch_id,
        announced_total=total or None,
        first_at=first_at,
        last_at=greatest(first_at, finished_at),
        description=Description.of(told, 0, Source.ANNOUNCEMENT),
    )
    tally = Tally(seen=done, completed=completed, failed=failed, unindexed=done)
    chunks = countable_chunks(state.chunk_size, tally, batch_outcome(state, tally))
    return StoredBatch(row_id, state, tally, ChunkCounts(chunks), row[24], row[26])
