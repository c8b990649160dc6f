"""Batches whose deadline has passed: their cancel goes into the outbox, once for each run."""

from datetime import datetime
from typing import Any

from psycopg import Cursor

from ocrstream_recorder.outbox import outbox_rows
from ocrstream_recorder.outbox.outbox_rows import OutboxEvent
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchRevoked
from ocrstream_schemas.topics import BATCHES_COMMANDS

INITIATOR = "deadline"

# By the database's clock, so that replicas agree. A batch that a poll is writing waits for the next
# look: it may be about to end.
_MARK_DUE = """
WITH due AS (
    SELECT id, run FROM batch_executions
    WHERE cancel_due_at <= now() AND deadline_run < run
    ORDER BY cancel_due_at LIMIT %s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE batch_executions b SET deadline_run = due.run, updated_at = timezone('utc', now())
FROM due WHERE b.id = due.id
RETURNING b.batch_id, b.run, now()
"""


def revoke_due(cursor: Cursor[Any], limit: int) -> int:
    """Have due batches cancelled, `limit` at most; returns how many. Belongs into a transaction."""
    due: list[tuple[str, int, datetime]] = cursor.execute(_MARK_DUE, (limit,)).fetchall()
    outbox_rows.insert(
        cursor,
        [
            OutboxEvent(
                f"{batch_id}:{INITIATOR}:{run}",
                BATCHES_COMMANDS,
                batch_id,
                encode(
                    BatchRevoked(
                        batch_id=batch_id, run=run, initiated_by=INITIATOR, revoked_at=moment
                    )
                ),
            )
            for batch_id, run, moment in due
        ],
    )
    return len(due)
