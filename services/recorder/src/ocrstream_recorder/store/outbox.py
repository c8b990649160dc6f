"""Records to be published: written with the rows they tell of, deleted when the broker has them."""

from datetime import datetime
from typing import Any, NamedTuple, cast

from psycopg import Cursor

from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_schemas.events import BatchRetryRequested
from ocrstream_schemas.topics import IMAGES_SUBMITTED, LANES

_LOCK_KEY = 0x0C25_72EB  # any number that no one else's advisory lock uses

_INSERT = """
INSERT INTO recorder_outbox (event_id, topic, key, value) VALUES (%s, %s, %s, %s)
"""

# The lock is the session's: whoever holds it sends, until it ends or its connection breaks.
_TAKE = """
SELECT id, event_id, topic, key, value FROM recorder_outbox
WHERE (SELECT pg_try_advisory_lock(%s) FROM (VALUES (0)) AS once)
ORDER BY id LIMIT %s
"""
# Whole chains as events, made where they stand: a batch may have more of them than fit into memory.
_RETRY = """
INSERT INTO recorder_outbox (event_id, topic, key, value)
SELECT encode(sha256(convert_to(
           jsonb_build_array(%(request_id)s::text, c.chain_id)::text, 'UTF8')), 'hex'),
       CASE WHEN c.input_data->'options'->>'lane' = ANY(%(lanes)s)
            THEN %(topic)s || '.' || (c.input_data->'options'->>'lane') ELSE %(topic)s END,
       c.chain_id,
       convert_to((jsonb_strip_nulls(jsonb_build_object(
           'type', 'ImageSubmitted',
           'chain_id', c.chain_id, 'batch_id', c.batch_id, 'run', c.run + 1,
           'chain_name', c.chain_name, 'initiated_by', c.initiated_by,
           'total_tasks', c.total_tasks, 'submitted_at', %(submitted_at)s::text
       )) || c.input_data::jsonb)::text, 'UTF8')
FROM chain_executions c JOIN batch_executions b ON b.batch_id = c.batch_id
WHERE c.batch_id = %(batch_id)s AND c.run > 0
  AND (c.status IN ('FAILURE', 'REVOKED')
       OR (c.status <> 'SUCCESS' AND b.revoked_run >= b.run))
  AND (%(include_no_text)s OR c.reason IS DISTINCT FROM 'no_text')
  AND c.input_data->>'image_path' IS NOT NULL
ORDER BY c.id
ON CONFLICT (event_id) DO NOTHING
"""


class Event(NamedTuple):
    """A record to be published; `event_id` is its CloudEvents id."""

    event_id: str
    topic: str
    key: str
    value: bytes


class OutboxRow(NamedTuple):
    """A record to be published; rows of one key go out in the order of their ids."""

    id: int
    event_id: str
    topic: str
    key: str
    value: bytes


def insert(cursor: Cursor[Any], events: list[Event]) -> None:
    """Add records."""
    if events:
        cursor.executemany(_INSERT, events)


def insert_retry(cursor: Cursor[Any], request: BatchRetryRequested, zone: DatabaseZone) -> int:
    """Submit a batch's failed and revoked images again, with the next run; once per request.

    They count as submitted when it was asked for, but not before anything that is known of the
    batch: by a clock that is behind, the new run's results would else not hold their paths.
    """
    cursor.execute(
        "INSERT INTO recorder_retries (request_id, batch_id) VALUES (%s, %s) "
        "ON CONFLICT DO NOTHING",
        (request.request_id, request.batch_id),
    )
    if not cursor.rowcount:
        return 0
    cursor.execute(
        "SELECT last_event_at FROM batch_executions WHERE batch_id = %s", (request.batch_id,)
    )
    known = [zone.to_utc(moment) for (moment,) in cursor if moment is not None]
    submitted_at = max([cast("datetime", request.requested_at), *known])
    cursor.execute(
        _RETRY,
        {
            "batch_id": request.batch_id,
            "request_id": request.request_id,
            "submitted_at": submitted_at.isoformat(),
            "include_no_text": request.include_no_text,
            "topic": IMAGES_SUBMITTED,
            "lanes": list(LANES),
        },
    )
    return cursor.rowcount


def take(cursor: Cursor[Any], limit: int) -> list[OutboxRow]:
    """The oldest records that wait; none for a session while another one sends them."""
    cursor.execute(_TAKE, (_LOCK_KEY, limit))
    return [OutboxRow(*row) for row in cursor]


def delete(cursor: Cursor[Any], ids: list[int]) -> None:
    """Forget records that the broker has."""
    cursor.execute("DELETE FROM recorder_outbox WHERE id = ANY(%s)", (ids,))
