"""The search index: for each image the numbers by which a query finds it.

A key is a gram of the image's text beside the image's segment, a run of row ids. So the newest
images can be asked first and the rest left alone, and images written together change one small part
of the index.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Cursor, sql

from ocrstream_recorder.database.provenance import ORDERED
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.search.rules import GRAM_BITS, gram_of_batch, grams_of_image

SEGMENT_BITS = 16
"""A segment has 65,536 row ids."""

LOCK_KEY = 0x0C25_5EA2  # any number that no one else's advisory lock uses
"""The advisory lock that whoever indexes holds, and every transaction that writes keys."""
_SEGMENTS = 1 << (32 - GRAM_BITS)  # then their numbers begin again
_LEAST_INTEGER = -(1 << 31)

SEGMENT_KEYS = f"""
array_agg(((((s.number & {_SEGMENTS - 1}) << {GRAM_BITS}) + gram) + {_LEAST_INTEGER})::int)
"""
"""`keys` in SQL, of the rows of `gram` in the segment `s.number`."""

_LOCK_SESSION = "SELECT pg_try_advisory_lock(%s)"
_LOCK_TRANSACTION = "SELECT pg_try_advisory_xact_lock(%s)"
_IS_RECORDING = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s AND state <> 'idle'
)
"""
# The newest first: what was just read is searched for soonest, however many wait from before. As
# many as fit into both limits, or one; a box counts as its text and what parts it from the next.
_READ = f"""
SELECT id, queued, version, texts, bboxes
FROM (
    SELECT q.*, o.version, b.*, sum(b.characters) OVER (ORDER BY newest DESC) AS characters_to_here
    FROM (
        SELECT ocr_execution_id AS id, array_agg(id) AS queued, max(id) AS newest
        FROM (SELECT * FROM recorder_search_queue ORDER BY id DESC LIMIT %s) n
        GROUP BY ocr_execution_id
    ) q
    LEFT JOIN LATERAL (
        SELECT xmin::text AS version, {ORDERED} AS ordered FROM ocr_executions
        WHERE id = q.id AND image_path IS NOT NULL
    ) o ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(text ORDER BY id) AS texts,
               array_agg(bbox::text ORDER BY id) FILTER (WHERE NOT o.ordered) AS bboxes,
               coalesce(sum(length(text) + 1), 0) AS characters
        FROM ocr_text_boxes WHERE ocr_execution_id = q.id
    ) b
) counted
WHERE characters_to_here <= %s OR characters_to_here = characters
ORDER BY newest DESC
"""
# Rows stay until their keys stand, which refer to them.
_CURRENT = """
SELECT o.id, o.version, c.batch_id
FROM (
    SELECT id, chain_id, xmin::text AS version FROM ocr_executions
    WHERE id = ANY(%s) AND image_path IS NOT NULL ORDER BY id FOR KEY SHARE
) o
LEFT JOIN LATERAL (
    SELECT batch_id FROM chain_executions WHERE chain_id = o.chain_id
    ORDER BY run DESC, id DESC LIMIT 1
) c ON true
"""
_DONE = "DELETE FROM recorder_search_queue WHERE id = ANY(%s)"
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


class QueuedImage(NamedTuple):
    """An image as its rows were when they were read: texts of its boxes as they are stored.

    `queued` are the rows of the queue that ask for it; `version` changes whenever its row does, and
    is None if the row is gone or names no image; `bboxes` is None if the boxes are stored in
    reading order.
    """

    id: int
    queued: list[int]
    version: str | None
    texts: list[str] | None
    bboxes: list[str] | None


class ImageGrams(NamedTuple):
    """The grams that an image is found by, without the one of its batch."""

    image: QueuedImage
    grams: set[int]


class IndexBacklog(NamedTuple):
    """How many images wait to be indexed, each as often as it was written, and for how long."""

    waiting: int
    oldest_s: float


def keys(grams: set[int], segment: int) -> list[int]:
    """The keys of these grams in a segment."""
    base = ((segment % _SEGMENTS) << GRAM_BITS) + _LEAST_INTEGER
    return [base + gram for gram in grams]


def may_index(cursor: Cursor[Any]) -> bool:
    """Whether this session is the one that indexes: from now on until it ends.

    That only one does saves work; `write` does not rely on it.
    """
    return cursor.execute(_LOCK_SESSION, (LOCK_KEY,)).fetchone() == (True,)


def read(cursor: Cursor[Any], at_most: int, characters: int) -> list[QueuedImage]:
    """Images whose rows were written, the newest first, as one snapshot has them.

    As many as `at_most` rows of the queue ask for and as have so many characters, or one.
    """
    cursor.execute(_READ, (at_most, characters))
    return [QueuedImage(*row) for row in cursor]


def grams_of(image: QueuedImage) -> ImageGrams:
    """The grams that an image is found by. It computes for long where there is much text."""
    return ImageGrams(image, grams_of_image(_in_order(image.texts or [], image.bboxes)))


def write(cursor: Cursor[Any], found: Sequence[ImageGrams]) -> int:
    """Write the keys of those images that are still as they were read, and take them off the queue;
    returns how many rows of it that were. Belongs into a transaction.

    0 too while somebody else indexes. An image that has changed stays queued.
    """
    if cursor.execute(_LOCK_TRANSACTION, (LOCK_KEY,)).fetchone() == (False,):
        return 0
    # A statement of its own, after the lock: nobody has written keys of what is newer than it sees.
    current = {
        row_id: (version, batch_id)
        for row_id, version, batch_id in cursor.execute(
            _CURRENT, ([image.id for image, _ in found],)
        )
    }
    done: list[int] = []
    gone: list[int] = []
    written: dict[int, str] = {}
    for image, grams in found:
        version, batch_id = current.get(image.id, (None, None))
        if version != image.version:
            continue
        done += image.queued
        if version is None or not grams:
            gone.append(image.id)
            continue
        all_grams = grams if batch_id is None else {*grams, gram_of_batch(batch_id)}
        image_keys = keys(all_grams, image.id >> SEGMENT_BITS)
        written[image.id] = "{" + ",".join(map(str, image_keys)) + "}"
    if gone:
        cursor.execute(_REMOVE, (gone,))
    if written:
        cursor.execute(_WRITE, (list(written), list(written.values())))
        cursor.execute(_MERGE)
    if done:
        cursor.execute(_DONE, (done,))
    return len(done)


def _in_order(texts: list[str], bboxes: list[str] | None) -> list[str]:
    """Texts in reading order; without `bboxes` they are stored so."""
    placed = list(zip(texts, bboxes or texts, strict=True))
    ordered = boxes_in_order(
        placed, lambda box: json.loads(box[1]), lambda box: box[0], ordered=bboxes is None
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


def backlog(cursor: Cursor[Any]) -> IndexBacklog:
    """How far the index is behind."""
    row = cursor.execute(sql.SQL(BACKLOG).format(at_most=_COUNTED_ROWS)).fetchone()
    return IndexBacklog(*row) if row else IndexBacklog(0, 0.0)
