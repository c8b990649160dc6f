"""The search index: for each image the numbers by which a query finds it.

A key is a gram of the image's text beside the image's segment, a run of row ids. So the newest
images can be asked first and the rest left alone, and images written together change one small part
of the index.
"""

import json
from typing import Any, NamedTuple

from psycopg import Cursor, sql

from ocrstream_recorder.domain.box_order import boxes_in_order
from ocrstream_recorder.domain.search_text import (
    GRAM_BITS,
    gram_of_batch,
    grams_of_text,
    image_text,
)
from ocrstream_recorder.store.provenance import ORDERED

SEGMENT_BITS = 16
"""A segment has 65,536 row ids."""

LOCK_KEY = 0x0C25_5EA2  # any number that no one else's advisory lock uses
"""The advisory lock that whoever indexes holds."""
_SEGMENTS = 1 << (32 - GRAM_BITS)  # then their numbers begin again
_LEAST_INTEGER = -(1 << 31)

SEGMENT_KEYS = f"""
array_agg(((((s.number & {_SEGMENTS - 1}) << {GRAM_BITS}) + gram) + {_LEAST_INTEGER})::int)
"""
"""`keys` in SQL, of the rows of `gram` in the segment `s.number`."""

_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
_IS_RECORDING = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s AND state <> 'idle'
)
"""
# The newest first: what was just read is searched for soonest, however many wait from before.
_TAKE = """
DELETE FROM recorder_search_queue
WHERE id IN (SELECT id FROM recorder_search_queue ORDER BY id DESC LIMIT %s)
RETURNING ocr_execution_id
"""
# Rows stay until their keys stand, which refer to them.
_READ = f"""
SELECT o.id, c.batch_id, b.texts, b.bboxes
FROM (
    SELECT id, chain_id, {ORDERED} AS ordered FROM ocr_executions
    WHERE id = ANY(%s) AND image_path IS NOT NULL ORDER BY id FOR KEY SHARE
) o
CROSS JOIN LATERAL (
    SELECT array_agg(text ORDER BY id) AS texts,
           array_agg(bbox::text ORDER BY id) FILTER (WHERE NOT o.ordered) AS bboxes
    FROM ocr_text_boxes WHERE ocr_execution_id = o.id
) b
LEFT JOIN LATERAL (
    SELECT batch_id FROM chain_executions WHERE chain_id = o.chain_id
    ORDER BY run DESC, id DESC LIMIT 1
) c ON true
"""
_WRITE = """
INSERT INTO recorder_search (ocr_execution_id, keys)
SELECT id, keys::int[] FROM unnest(%s::bigint[], %s::text[]) AS r(id, keys)
ON CONFLICT (ocr_execution_id) DO UPDATE SET keys = excluded.keys
"""
# Into the index's tree together, which is several times as fast as one by one, and at once: a
# search reads what is not in the tree once for each segment.
_MERGE = "SELECT gin_clean_pending_list('ix_recorder_search_keys')"
_QUEUE_CHAINS = """
INSERT INTO recorder_search_queue (ocr_execution_id)
SELECT id FROM ocr_executions WHERE chain_id = ANY(%s)
"""
_REMOVE = "DELETE FROM recorder_search WHERE ocr_execution_id = ANY(%s)"

BACKLOG = """
SELECT (SELECT count(*) FROM (SELECT FROM recorder_search_queue LIMIT {at_most}) r) AS waiting,
       coalesce(extract(epoch FROM now() - (
           SELECT created_at FROM recorder_search_queue ORDER BY id LIMIT 1
       )), 0)::float AS oldest_s
"""
"""How far the index is behind; rows are counted up to `at_most`."""
_COUNTED_ROWS = 1_000_000


class Backlog(NamedTuple):
    """What is not searched for yet: images, as often as they were written, and since when."""

    waiting: int
    oldest_s: float


def keys(grams: set[int], segment: int) -> list[int]:
    """The keys of these grams in a segment."""
    base = ((segment % _SEGMENTS) << GRAM_BITS) + _LEAST_INTEGER
    return [base + gram for gram in grams]


def index_some(cursor: Cursor[Any], limit: int) -> int:
    """Make the keys of images whose rows were written, `limit` at most; returns how many.

    0 too while somebody else does it: two at once could leave the older text's keys. Belongs into a
    transaction.
    """
    cursor.execute(_LOCK, (LOCK_KEY,))
    if cursor.fetchone() == (False,):
        return 0
    taken: list[tuple[int]] = cursor.execute(_TAKE, (limit,)).fetchall()
    # A statement of its own, after the lock: it sees all that was written for the rows taken.
    ids = sorted({row_id for (row_id,) in taken})
    written: dict[int, str] = {}
    for row_id, batch_id, texts, bboxes in cursor.execute(_READ, (ids,)).fetchall():
        if text := image_text(_in_order(texts or [], bboxes)):
            grams = grams_of_text(text)
            if batch_id is not None:
                grams.add(gram_of_batch(batch_id))
            made = keys(grams, row_id >> SEGMENT_BITS)
            written[row_id] = "{" + ",".join(map(str, made)) + "}"
    gone = [row_id for row_id in ids if row_id not in written]
    if gone:
        cursor.execute(_REMOVE, (gone,))
    if written:
        cursor.execute(_WRITE, (list(written), list(written.values())))
        cursor.execute(_MERGE)
    return len(taken)


def _in_order(texts: list[str], bboxes: list[str] | None) -> list[str]:
    """Texts in reading order; without `bboxes` they are stored so."""
    placed = list(zip(texts, bboxes or texts, strict=True))
    ordered = boxes_in_order(
        placed, lambda one: json.loads(one[1]), lambda one: one[0], ordered=bboxes is None
    )
    return [text for text, _ in ordered]


def queue_chains(cursor: Cursor[Any], chain_ids: list[str]) -> None:
    """Have images indexed again whose chains came to another batch."""
    if chain_ids:
        cursor.execute(_QUEUE_CHAINS, (chain_ids,))


def is_recording(cursor: Cursor[Any], application_name: str) -> bool:
    """Whether a poll is under way, here or in another replica."""
    cursor.execute(_IS_RECORDING, (application_name,))
    return cursor.fetchone() == (True,)


def backlog(cursor: Cursor[Any]) -> Backlog:
    """How far the index is behind."""
    row = cursor.execute(sql.SQL(BACKLOG).format(at_most=_COUNTED_ROWS)).fetchone()
    return Backlog(*row) if row else Backlog(0, 0.0)
