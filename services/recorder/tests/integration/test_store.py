"""The real database against the oracle: any order, repetition and split gives the same rows."""

import threading
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg import Connection
from psycopg.rows import dict_row
from recorder_events import histories
from recorder_oracle import batches, chains, images, tasks

from ocrstream_recorder.domain.contribution import contribute
from ocrstream_recorder.domain.ledger import Ledger
from ocrstream_recorder.store import offsets, poll, retries
from ocrstream_recorder.store.offsets import OffsetsMovedError, Span
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_schemas.events import (
    AnyEvent,
    BatchCompleted,
    BatchRetryRequested,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TextBox,
)

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
TABLES = (
    "ocr_text_boxes, ocr_executions, task_logs, chain_executions, batch_executions,"
    " recorder_outbox, recorder_offsets, recorder_retries, recorder_webhooks"
)


@pytest.fixture
def connection(database_url: str) -> Generator[Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def write(connection: Connection[Any], events: list[AnyEvent]) -> poll.Written:
    ledger = Ledger(contribute(event, ZONE.to_local) for event in events)
    return poll.write(connection, ledger, ZONE, "cluster", {})


def submit_again(connection: Connection[Any], limit: int) -> list[int]:
    """Carry out all retries; how many images each part submitted."""
    submitted: list[int] = []
    while True:
        with connection.transaction(), connection.cursor() as cursor:
            part = retries.submit_part(cursor, limit)
        if part is None:
            return submitted
        submitted.append(part.submitted)


def rows(connection: Connection[Any], query: LiteralString, key: str) -> dict[str, dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query)
        return {row[key]: row for row in cursor.fetchall()}


def agree(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row == {name: expected[key][name] for name in row}


def check(connection: Connection[Any], told: list[AnyEvent]) -> None:
    agree(
        rows(
            connection,
            "SELECT t.task_id, c.chain_id, t.task_name, t.status, t.run, t.attempt, t.retries,"
            " t.error, t.reason, t.started_at, t.finished_at"
            " FROM task_logs t JOIN chain_executions c ON c.id = t.chain_execution_id",
            "task_id",
        ),
        tasks(told),
    )
    agree(
        rows(
            connection,
            "SELECT chain_id, batch_id, run, status, total_tasks, completed_tasks, failed_tasks,"
            " started_at, finished_at, chain_name, initiated_by, image_index, reason,"
            " input_data->'options' AS options, input_data->>'image_path' AS image_path"
            " FROM chain_executions",
            "chain_id",
        ),
        chains(told),
    )
    agree(
        rows(
            connection,
            "SELECT batch_id, batch_name, status, total_known, total_images, seen_images,"
            " completed_images, failed_images, revoked_images, run, revoked_run, chunk_size,"
            " total_chunks, completed_chunks, failed_chunks, started_at, finished_at,"
            " cancel_due_at FROM batch_executions",
            "batch_id",
        ),
        batches(told),
    )
    agree(
        rows(
            connection,
            "SELECT o.image_path, o.chain_id, o.status, o.error, o.run,"
            " array(SELECT b.text FROM ocr_text_boxes b WHERE b.ocr_execution_id = o.id"
            " ORDER BY b.id) AS texts FROM ocr_executions o",
            "image_path",
        ),
        images(told),
    )


def check_last_completions(connection: Connection[Any]) -> None:
    """The greatest revision's BatchCompleted equals the row; without an end there is none."""
    last: dict[str, BatchCompleted] = {}
    for (value,) in connection.execute(
        "SELECT value FROM recorder_outbox WHERE topic = 'batches.completed' ORDER BY id"
    ):
        event = msgspec.json.decode(value, type=BatchCompleted)
        assert (
            event.revision == (last[event.batch_id].revision if event.batch_id in last else 0) + 1
        )
        last[event.batch_id] = event
    ended = connection.execute(
        "SELECT batch_id, revision, status, total_images, completed_images, failed_images,"
        " revoked_images FROM batch_executions WHERE ended"
    ).fetchall()
    for batch_id, *columns in ended:
        event = last[batch_id]
        assert columns == [
            event.revision,
            event.status,
            event.total_images,
            event.completed_images,
            event.failed_images,
            event.revoked_images,
        ]


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_rows_are_what_the_events_say(
    connection: Connection[Any], history: tuple[list[AnyEvent], list[list[AnyEvent]]]
) -> None:
    told, polls = history
    connection.execute(f"TRUNCATE {TABLES}")
    for events in polls:
        write(connection, events)
    check(connection, told)
    check_last_completions(connection)
    before = connection.execute("SELECT sum(revision) FROM batch_executions").fetchone()
    again = write(connection, told)
    check(connection, told)
    assert connection.execute("SELECT sum(revision) FROM batch_executions").fetchone() == before
    assert {rows.staged for rows in again.rows.values()} == {0}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_two_recorders_at_once_write_the_same(
    connection: Connection[Any],
    database_url: str,
    history: tuple[list[AnyEvent], list[list[AnyEvent]]],
) -> None:
    told, polls = history
    connection.execute(f"TRUNCATE {TABLES}")
    failures: list[BaseException] = []

    def record(mine: list[list[AnyEvent]]) -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as own:
                for events in mine:
                    write(own, events)
        except Exception as error:  # noqa: BLE001 - the test tells of any
            failures.append(error)

    threads = [threading.Thread(target=record, args=(mine,)) for mine in (polls, polls[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    check(connection, told)
    check_last_completions(connection)


def submitted(index: int) -> ImageSubmitted:
    return ImageSubmitted(
        image_path=f"file:///{index}.png", chain_id=f"chain-{index}", batch_id="b", index=index
    )


def failed(index: int, reason: Reason = Reason.NOT_FOUND, run: int = 1) -> OcrFailed:

    return OcrFailed(
        image_path=f"file:///{index}.png",
        chain_id=f"chain-{index}",
        task_id=f"task-{index}-{run}",
        batch_id="b",
        index=index,
        run=run,
        submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
        finished_at=datetime(2026, 5, 2, tzinfo=UTC),
        reason=reason,
        error="it is gone",
        options={"lane": "urgent"} if index == 2 else None,
    )


def test_a_poll_is_written_once(connection: Connection[Any]) -> None:
    spans = {("images.submitted", 0): Span(5, 7)}
    with connection.transaction(), connection.cursor() as cursor:
        assert offsets.next_offsets(cursor, "k", {("images.submitted", 0): 5}) == {
            ("images.submitted", 0): 5
        }
    ledger = Ledger([contribute(submitted(0), ZONE.to_local)])
    poll.write(connection, ledger, ZONE, "k", spans)
    with pytest.raises(OffsetsMovedError):
        poll.write(connection, Ledger([contribute(submitted(1), ZONE.to_local)]), ZONE, "k", spans)
    assert connection.execute("SELECT chain_id FROM chain_executions").fetchall() == [("chain-0",)]
    assert connection.execute("SELECT next_offset FROM recorder_offsets").fetchall() == [(7,)]


def test_a_retry_submits_failed_images_again_and_only_once(connection: Connection[Any]) -> None:

    asked_at = datetime(2026, 5, 3, tzinfo=UTC)
    write(connection, [BatchSubmitted(batch_id="b", total_images=3, submitted_at=asked_at)])
    write(connection, [submitted(0), failed(1), failed(2), failed(0, Reason.NO_TEXT)])
    request = BatchRetryRequested(batch_id="b", request_id="r", requested_at=asked_at)
    assert write(connection, [request, request]).retries == 1
    assert write(connection, [request]).retries == 0
    assert submit_again(connection, limit=1) == [0, 1, 1, 0, 0]
    sent = connection.execute(
        "SELECT topic, key, value FROM recorder_outbox WHERE topic <> 'batches.completed'"
        " ORDER BY id"
    ).fetchall()
    events = [msgspec.json.decode(value, type=ImageSubmitted) for _, _, value in sent]
    assert [(topic, key) for topic, key, _ in sent] == [
        ("images.submitted", "chain-1"),
        ("images.submitted.urgent", "chain-2"),
    ]
    assert {(event.run, event.submitted_at) for event in events} == {(2, asked_at)}
    assert events[0].image_path == "file:///1.png"
    write(connection, list(events))
    row = connection.execute(
        "SELECT status, failed_images, run, revision FROM batch_executions"
    ).fetchone()
    assert row == ("RUNNING", 1, 2, 2)


def test_the_first_holder_of_a_public_path_keeps_it(connection: Connection[Any]) -> None:

    def read(number: int) -> OcrSucceeded:
        return OcrSucceeded(
            chain_id=f"chain-{number}",
            task_id=f"task-{number}",
            image_path=f"file:///{number}.png",
            public_path="https://public/a.png",
            submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
            boxes=(
                TextBox(
                    text="tab\tline\nback\\slash ünï",
                    confidence=1.0,
                    bbox=((0.0, 0.0), (1.5, 0.0), (1.5, 1.0), (0.0, 1.0)),
                ),
            ),
        )

    assert write(connection, [read(1)]).refused_public_paths == 0
    assert write(connection, [read(2), read(1)]).refused_public_paths == 1
    held = connection.execute(
        "SELECT image_path, public_path FROM ocr_executions ORDER BY image_path"
    ).fetchall()
    assert held == [("file:///1.png", "https://public/a.png"), ("file:///2.png", None)]
    box = connection.execute("SELECT text, bbox FROM ocr_text_boxes LIMIT 1").fetchone()
    assert box == ("tab\tline\nback\\slash ünï", [[0.0, 0.0], [1.5, 0.0], [1.5, 1.0], [0.0, 1.0]])
