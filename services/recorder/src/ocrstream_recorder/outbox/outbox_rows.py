"""Records to be published: written with the rows they are about, deleted once published."""

from typing import Any, NamedTuple

from psycopg import Cursor

_LOCK_KEY = 0x0C25_72EB  # any number that no one else's advisory lock uses

_INSERT = """
INSERT INTO recorder_outbox (event_id, topic, key, value) VALUES (%s, %s, %s, %s)
"""
# The oldest rows, at least one, as long as their values fit into the limit.
_TAKE = """
SELECT id, event_id, topic, key, value
FROM (
    SELECT *, sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) AS bytes_before
    FROM (SELECT * FROM recorder_outbox ORDER BY id LIMIT %s) AS oldest
) AS counted
WHERE bytes_before < %s
ORDER BY id
"""


class OutboxEvent(NamedTuple):
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


class OutboxBacklog(NamedTuple):
    """What waits to be published; the oldest row's commit was `oldest_s` seconds ago, or less."""

    rows: int
    oldest_s: float


def insert(cursor: Cursor[Any], events: list[OutboxEvent]) -> None:
    """Add records. Those of one key are in order if whoever adds them holds that key's row."""
    if events:
        cursor.executemany(_INSERT, events)


def may_send(cursor: Cursor[Any]) -> bool:
    """Whether this session is the one that sends: from now on until it ends.

    That only one does saves work. Nothing depends on it: a sender that was stopped, lost its
    session and goes on repeats records and never puts a key's records in another order.
    """
    row = cursor.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
    return row is not None and bool(row[0])


def take(cursor: Cursor[Any], max_rows: int, max_bytes: int) -> list[OutboxRow]:
    """The oldest records that wait, about as many as the limits say."""
    cursor.execute(_TAKE, (max_rows, max_bytes))
    return [OutboxRow(*row) for row in cursor]


def delete(cursor: Cursor[Any], ids: list[int]) -> None:
    """Forget records that the broker has."""
    cursor.execute("DELETE FROM recorder_outbox WHERE id = ANY(%s)", (ids,))


def backlog(cursor: Cursor[Any]) -> OutboxBacklog:
    """How many records wait, and for how long."""
    row = cursor.execute(
        "SELECT count(*), extract(epoch FROM timezone('utc', now()) - min(created_at))::float8"
        " FROM recorder_outbox"
    ).fetchone()
    count, oldest_s = row or (0, None)
    return OutboxBacklog(count, max(0.0, oldest_s or 0.0))
