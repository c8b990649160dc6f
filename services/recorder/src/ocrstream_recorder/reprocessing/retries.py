"""Retries: a request is noted with the poll that brings it, and carried out in parts."""

from datetime import datetime
from typing import Any, cast

from psycopg import Cursor

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.reprocessing.resubmission import (
    INDEXED,
    LOOKED_AT,
    UNINDEXED,
    KeysetPosition,
    Part,
    event_topic,
    event_value,
    without_file,
)
from ocrstream_schemas.events import BatchRetryRequested
from ocrstream_schemas.topics import IMAGES_SUBMITTED, LANES

# Whether the batch is cancelled is told by its row as it is now: the first image that is submitted
# again changes that.
_REQUEST = """
INSERT INTO recorder_retries
    (request_id, batch_id, pending, requested_at, include_no_text, cancelled_run, after_index)
SELECT %(request_id)s, b.batch_id, true, %(requested_at)s, %(include_no_text)s,
       CASE WHEN b.revoked_run >= b.run THEN b.revoked_run ELSE 0 END, -1
FROM batch_executions b WHERE b.batch_id = %(batch_id)s
ON CONFLICT DO NOTHING
"""
_OLDEST = """
SELECT request_id, batch_id, requested_at, include_no_text, cancelled_run, after_index, after_id
FROM recorder_retries WHERE pending
ORDER BY created_at LIMIT 1
FOR UPDATE SKIP LOCKED
"""
# Above what was cancelled, too: an earlier retry may have left the image out, and workers skip runs
# that are cancelled.
_NEXT_RUN = """
greatest(c.run, (SELECT revoked_run FROM batch_executions WHERE batch_id = %(batch_id)s)) + 1
"""
# There is nothing to read of an image without a file, so the new run fails as the last one did.
_REFUSED = f"""
CASE WHEN {without_file("c.input_data->>'image_path'")} AND c.reason IS NOT NULL
     THEN jsonb_build_object('reason', c.reason, 'error', coalesce(c.error_message, '')) END
"""
_VALUE = event_value(
    run=_NEXT_RUN,
    submitted_at="%(submitted_at)s::text",
    input_data="c.input_data::jsonb",
    refused=_REFUSED,
)
_SUBMIT = f"""
WITH part AS MATERIALIZED ({{part}}),
submitted AS (
    INSERT INTO recorder_outbox (event_id, topic, key, value)
    SELECT encode(sha256(convert_to(
               jsonb_build_array(%(request_id)s::text, c.chain_id)::text, 'UTF8')), 'hex'),
           {event_topic("c.input_data")},
           c.chain_id,
           {_VALUE}
    FROM part c
    WHERE (c.status IN ('FAILURE', 'REVOKED')
           OR (c.status <> 'SUCCESS' AND c.run <= %(cancelled_run)s))
      AND (%(include_no_text)s OR c.reason IS DISTINCT FROM 'no_text')
      AND c.input_data->>'image_path' IS NOT NULL
    ORDER BY c.image_index, c.id
    RETURNING 1
)
SELECT (SELECT count(*) FROM submitted), {LOOKED_AT}
"""
_SUBMIT_INDEXED = _SUBMIT.format(part=INDEXED)
_SUBMIT_UNINDEXED = _SUBMIT.format(part=UNINDEXED)
_ADVANCE = """
UPDATE recorder_retries SET pending = %s, after_index = %s, after_id = %s
WHERE batch_id = %s AND request_id = %s
"""


def request(cursor: Cursor[Any], requested: BatchRetryRequested, zone: DatabaseZone) -> bool:
    """Note a retry; False if this request was noted before. The batch must have a row.

    Its images count as submitted when it was requested, but not before anything that is known of
    the batch: by a clock that is behind, the new run's results would else not hold their paths.
    """
    cursor.execute(
        "SELECT last_event_at FROM batch_executions WHERE batch_id = %s", (requested.batch_id,)
    )
    known = [zone.to_utc(moment) for (moment,) in cursor if moment is not None]
    cursor.execute(
        _REQUEST,
        {
            "request_id": requested.request_id,
            "batch_id": requested.batch_id,
            "requested_at": max([cast("datetime", requested.requested_at), *known]),
            "include_no_text": requested.include_no_text,
        },
    )
    return cursor.rowcount > 0


def submit_part(cursor: Cursor[Any], limit: int) -> Part | None:
    """Put the next part of the oldest retry into the outbox; None if there is nothing to do.

    It looks at `limit` chains at most. Belongs into a transaction of its own.
    """
    found = cursor.execute(_OLDEST).fetchone()
    if found is None:
        return None
    request_id, batch_id, requested_at, include_no_text, cancelled_run, *after = found
    position = KeysetPosition(*after)
    counts = cursor.execute(
        _SUBMIT_UNINDEXED if position.after_index is None else _SUBMIT_INDEXED,
        {
            "request_id": request_id,
            "batch_id": batch_id,
            **position._asdict(),
            "submitted_at": cast("datetime", requested_at).isoformat(),
            "include_no_text": include_no_text,
            "cancelled_run": cancelled_run,
            "topic": IMAGES_SUBMITTED,
            "lanes": list(LANES),
            "limit": limit,
        },
    ).fetchone()
    submitted, looked_at, last_index, last_id = cast(
        "tuple[int, int, int | None, int | None]", counts
    )
    following = position.after(looked_at, last_index, last_id, limit)
    cursor.execute(
        _ADVANCE, (following is not None, *(following or (None, 0)), batch_id, request_id)
    )
    return Part(looked_at, submitted)
