"""Deliveries to webhooks: written with the BatchCompleted that they carry, tried until they end."""

from enum import StrEnum
from typing import Any, NamedTuple

from psycopg import Cursor


class DeliveryState(StrEnum):
    """What became of a delivery; all but PENDING are ends."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"


_INSERT = """
INSERT INTO recorder_webhooks (batch_id, revision, url, value) VALUES (%s, %s, %s, %s)
"""
# A revision holds the whole row: once there is a newer one nobody needs the older.
_SUPERSEDE = """
UPDATE recorder_webhooks w SET state = 'superseded', next_attempt_at = NULL, ended_at = now()
FROM unnest(%s::text[], %s::int[]) AS newer(batch_id, revision)
WHERE w.batch_id = newer.batch_id AND w.revision < newer.revision AND w.state = 'pending'
"""
# Whoever claims an attempt has until `next_attempt_at` to write how it went. If it dies, the next
# attempt begins then.
_CLAIM = """
UPDATE recorder_webhooks w
SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => %s)
FROM (
    SELECT id FROM recorder_webhooks
    WHERE state = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT %s
    FOR UPDATE SKIP LOCKED
) AS due
WHERE w.id = due.id
RETURNING w.id, w.batch_id, w.revision, w.url, w.value, w.attempts,
          extract(epoch FROM now() - w.created_at)::float8
"""
# One that was superseded meanwhile has arrived nevertheless.
_DELIVERED = """
UPDATE recorder_webhooks
SET state = 'delivered', next_attempt_at = NULL, last_error = NULL, ended_at = now()
WHERE id = %s AND state <> 'delivered'
"""
# Not if somebody else has claimed the next attempt, because this one took too long.
_FAILED = """
UPDATE recorder_webhooks
SET state = CASE WHEN %(again_in_s)s::float8 IS NULL THEN 'failed' ELSE 'pending' END,
    next_attempt_at = now() + make_interval(secs => %(again_in_s)s::float8),
    ended_at = CASE WHEN %(again_in_s)s::float8 IS NULL THEN now() END,
    last_error = %(error)s
WHERE id = %(id)s AND state = 'pending' AND attempts = %(attempt)s
"""


class Delivery(NamedTuple):
    """What is to be sent where: `value` is the BatchCompleted of this revision, as JSON."""

    batch_id: str
    revision: int
    url: str
    value: bytes


class DeliveryAttempt(NamedTuple):
    """A claimed attempt, from 1, of a delivery that is `age_s` old."""

    id: int
    delivery: Delivery
    number: int
    age_s: float


def insert(cursor: Cursor[Any], deliveries: list[Delivery]) -> None:
    """Add deliveries; those of earlier revisions that are still pending end as superseded."""
    if not deliveries:
        return
    cursor.execute(
        _SUPERSEDE,
        (
            [delivery.batch_id for delivery in deliveries],
            [delivery.revision for delivery in deliveries],
        ),
    )
    cursor.executemany(_INSERT, deliveries)


def claim(cursor: Cursor[Any], limit: int, lease_s: float) -> list[DeliveryAttempt]:
    """Begin the next attempt of up to `limit` deliveries that are due; nobody else gets them."""
    cursor.execute(_CLAIM, (lease_s, limit))
    return [
        DeliveryAttempt(row_id, Delivery(batch_id, revision, url, value), number, age_s)
        for row_id, batch_id, revision, url, value, number, age_s in cursor
    ]


def delivered(cursor: Cursor[Any], attempt: DeliveryAttempt) -> None:
    """The receiver has it."""
    cursor.execute(_DELIVERED, (attempt.id,))


def failed(
    cursor: Cursor[Any], attempt: DeliveryAttempt, error: str, again_in_s: float | None
) -> None:
    """The attempt failed; the next begins in `again_in_s`, None: there is none."""
    cursor.execute(
        _FAILED,
        {"id": attempt.id, "attempt": attempt.number, "error": error, "again_in_s": again_in_s},
    )


def waiting(cursor: Cursor[Any]) -> int:
    """How many deliveries are pending."""
    row = cursor.execute(
        "SELECT count(*) FROM recorder_webhooks WHERE state = 'pending'"
    ).fetchone()
    return 0 if row is None else int(row[0])
