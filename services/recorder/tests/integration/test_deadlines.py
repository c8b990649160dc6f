"""Deadlines: one cancel for each run that they cut off, whoever looks and however often."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import Connection
from structlog.testing import capture_logs
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.outbox import deadline_rows
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import AnyEvent, BatchRevoked, BatchSubmitted, ImageSubmitted
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import BATCHES_COMMANDS

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, 12, tzinfo=UTC)
FAR_AHEAD = datetime(2120, 1, 1, 12, tzinfo=UTC)
REF = RecordRef(BATCHES_COMMANDS, 0, 0, int(FAR_AHEAD.timestamp() * 1000))


def write(connection: Connection[Any], *events: AnyEvent) -> None:
    changes = PollChanges(changes_of(event, ZONE.to_local) for event in events)
    write_poll(connection, changes, ZONE)


def announced(batch_id: str, deadline: Any, total: int = 1) -> BatchSubmitted:
    told = deadline.isoformat() if isinstance(deadline, datetime) else deadline
    return BatchSubmitted(batch_id=batch_id, total_images=total, options={"deadline": told})


def image(batch_id: str, run: int, submitted_at: datetime) -> ImageSubmitted:
    return ImageSubmitted(
        image_path=f"file:///{batch_id}.png",
        chain_id=f"chain-{batch_id}",
        batch_id=batch_id,
        run=run,
        submitted_at=submitted_at,
    )


def look(connection: Connection[Any], limit: int = 100) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        return deadline_rows.revoke_due(cursor, limit)


def sent(connection: Connection[Any]) -> list[tuple[str, int]]:
    """The cancels in the outbox."""
    rows = connection.execute(
        "SELECT key, value FROM recorder_outbox WHERE topic = %s ORDER BY id", (BATCHES_COMMANDS,)
    ).fetchall()
    events = [msgspec.json.decode(value, type=BatchRevoked) for _, value in rows]
    assert [key for key, _ in rows] == [event.batch_id for event in events]
    return [(event.batch_id, event.run) for event in events]


def carry_out(connection: Connection[Any]) -> None:
    """Have the recorder read the cancels that it sent."""
    rows = connection.execute(
        "DELETE FROM recorder_outbox WHERE topic = %s RETURNING value", (BATCHES_COMMANDS,)
    ).fetchall()
    write(connection, *(decode(BATCHES_COMMANDS, value, REF) for (value,) in rows))


def test_what_is_due_is_cancelled_once(connection: Connection[Any], database_url: str) -> None:
    for number in range(50):
        write(connection, announced(f"due-{number}", LONG_AGO))
        write(connection, announced(f"later-{number}", FAR_AHEAD))
    found: list[int] = []

    def replica() -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            while True:
                revoked = look(own, limit=7)
                found.append(revoked)
                if not revoked:
                    return

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    look(connection)
    assert sorted(sent(connection)) == sorted((f"due-{number}", 1) for number in range(50))
    carry_out(connection)
    assert look(connection) == 0
    assert connection.execute(
        "SELECT status, count(*) FROM batch_executions GROUP BY 1 ORDER BY 1"
    ).fetchall() == [("PENDING", 50), ("REVOKED", 50)]


def test_a_batch_that_ended_is_not_cancelled(connection: Connection[Any]) -> None:
    write(connection, announced("b", LONG_AGO, total=0))
    assert look(connection) == 0


@pytest.mark.parametrize("told", ["soon", 5, "2020-13-01T00:00:00Z", {"at": "noon"}])
def test_what_is_no_instant_cancels_nothing(connection: Connection[Any], told: Any) -> None:
    with capture_logs() as logs:
        write(connection, announced("b", told))
    assert [(one["event"], one["batch_id"]) for one in logs] == [("option ignored", "b")]
    assert look(connection) == 0


def test_a_deadline_that_is_moved_holds_as_it_is_now(connection: Connection[Any]) -> None:
    """Of two announcements the same one holds in whatever order they come."""
    for batch_id, order in (("b", (LONG_AGO, FAR_AHEAD)), ("c", (FAR_AHEAD, LONG_AGO))):
        for deadline in order:
            write(connection, announced(batch_id, deadline))
    due = connection.execute("SELECT DISTINCT cancel_due_at FROM batch_executions").fetchall()
    assert len(due) == 1
    assert look(connection) == (2 if due == [(LONG_AGO,)] else 0)


def test_a_retry_that_begins_after_the_deadline_has_none(connection: Connection[Any]) -> None:
    write(connection, announced("b", LONG_AGO), image("b", 1, LONG_AGO - timedelta(hours=1)))
    assert look(connection) == 1
    carry_out(connection)
    write(connection, image("b", 2, LONG_AGO))
    assert look(connection) == 0
    assert connection.execute("SELECT ended FROM batch_executions").fetchone() == (False,)


def test_a_retry_that_begins_before_the_deadline_is_cut_off_too(
    connection: Connection[Any],
) -> None:
    write(
        connection,
        announced("b", LONG_AGO),
        image("b", 1, LONG_AGO - timedelta(hours=1)),
        BatchRevoked(batch_id="b", run=1),
        image("b", 2, LONG_AGO - timedelta(seconds=1)),
    )
    assert look(connection) == 1
    assert look(connection) == 0
    assert sent(connection) == [("b", 2)]


def test_a_batch_that_is_being_written_is_left_for_the_next_look(
    connection: Connection[Any], database_url: str
) -> None:
    write(connection, announced("b", LONG_AGO))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM batch_executions FOR NO KEY UPDATE")
        assert look(connection) == 0
    assert look(connection) == 1


def test_a_cancel_by_deadline_is_an_event_as_any_other(connection: Connection[Any]) -> None:
    write(connection, announced("b", LONG_AGO))
    look(connection)
    row = connection.execute("SELECT event_id, value, now() FROM recorder_outbox").fetchone()
    assert row is not None
    event = decode(BATCHES_COMMANDS, row[1], REF)
    assert isinstance(event, BatchRevoked)
    assert (row[0], event.initiated_by) == ("b:deadline:1", "deadline")
    assert event.revoked_at is not None
    assert event.revoked_at <= row[2]
    assert encode(event) == row[1]
