"""One batch twice: by code that writes rows through the ORM, and by events; the rows are equal."""

import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import dict_row
from real_servers import fresh_database
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from write_poll import write_poll

from ocrstream_recorder.database.tables import (
    BatchExecution,
    ChainExecution,
    OcrExecution,
    OcrTextBox,
    TaskLog,
)
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import (
    AnyEvent,
    BatchSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TaskStarted,
    TextBox,
)

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
BEGAN = datetime(2026, 5, 1)  # noqa: DTZ001 (as the tables store it)
BBOX = [[0.0, 0.0], [9.0, 0.0], [9.0, 4.0], [0.0, 4.0]]
ERROR = "there is no such file"

# What both know: the columns that the tables had before events were recorded in them, and those
# that follow from their counts.
TABLES = {
    "batch_executions": "batch_id, batch_name, status, total_images, completed_images,"
    " failed_images, total_chunks, completed_chunks, failed_chunks, chunk_size, started_at,"
    " finished_at, initiated_by, input_data::jsonb, options::jsonb, final_result::jsonb,"
    " error_message, total_known, seen_images, revoked_images, ended",
    "chain_executions": "chain_id, celery_task_id, chain_name, batch_id, status, total_tasks,"
    " completed_tasks, failed_tasks, started_at, finished_at, initiated_by, input_data::jsonb,"
    " final_result::jsonb, error_message",
    "task_logs": "task_id, task_name, status, error, started_at, finished_at, retries,"
    " (SELECT chain_id FROM chain_executions c WHERE c.id = chain_execution_id)",
    "ocr_executions": "chain_id, image_path, public_path, status, error",
    "ocr_text_boxes": "text, confidence, bbox::jsonb,"
    " (SELECT image_path FROM ocr_executions o WHERE o.id = ocr_execution_id)",
}


def moment(number: int) -> datetime:
    return BEGAN + timedelta(minutes=number)


@pytest.fixture
def by_orm(postgres_url: str) -> Generator[str]:
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def session(by_orm: str) -> Generator[Session]:
    engine = create_engine(by_orm.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session:
        yield session
    engine.dispose()


def save(session: Session, *rows: Any) -> None:
    """As the code that this takes over from does it: a commit and a refresh for each row."""
    for row in rows:
        session.add(row)
        session.commit()
        session.refresh(row)


def write_by_orm(session: Session, failing: set[int], images: int, chunk_size: int) -> list[float]:
    """The progress after each image."""
    batch = BatchExecution(
        batch_id="b",
        batch_name="letters",
        total_images=images,
        total_chunks=-(-images // chunk_size),
        chunk_size=chunk_size,
        initiated_by="somebody",
        options={"lane": "urgent"},
    )
    save(session, batch)
    batch.start_execution(at=BEGAN)
    save(session, batch)
    progress = [batch.get_progress_percentage()]
    for number in range(images):
        path = f"file:///{number}.png"
        chain = ChainExecution(
            chain_id=f"chain-{number}",
            celery_task_id=f"task-{number}",
            chain_name=f"batch_image_{number}",
            batch_id="b",
            total_tasks=1,
            initiated_by="batch_ocr",
            input_data={"index": number, "image_path": path},
        )
        save(session, chain)
        chain.start_execution(at=moment(number))
        task = TaskLog(
            task_id=f"task-{number}",
            task_name="ocr",
            status="STARTED",
            started_at=moment(number),
            chain_execution_id=chain.id,
        )
        save(session, chain, task)
        ended_at = moment(number + 1)
        failed = number in failing
        task.status, task.finished_at = "FAILURE" if failed else "SUCCESS", ended_at
        task.error = ERROR if failed else None
        image = OcrExecution(
            chain_id=chain.chain_id,
            image_path=path,
            status="failed" if failed else "success",
            error=task.error,
        )
        if not failed:
            image.text_boxes = [OcrTextBox(text=f"line {number}", confidence=0.75, bbox=BBOX)]
        save(session, task, image)
        if failed:
            chain.increment_failed_tasks(at=ended_at)
            chain.complete_execution(success=False, error_message=ERROR, at=ended_at)
            batch.increment_failed_images(at=ended_at)
        else:
            chain.increment_completed_tasks(at=ended_at)
            batch.increment_completed_images(at=ended_at)
        if (number + 1) % chunk_size == 0 or number + 1 == images:
            if failing & set(range(number // chunk_size * chunk_size, number + 1)):
                batch.increment_failed_chunks()
            else:
                batch.increment_completed_chunks()
        save(session, chain, batch)
        progress.append(batch.get_progress_percentage())
    reasons = {"not_found": len(failing)} if failing else {}
    batch.complete_execution(not failing, final_result={"failed_by_reason": reasons})
    save(session, batch)
    return progress


def told(failing: set[int], images: int, chunk_size: int) -> list[AnyEvent]:
    """The same batch as events."""
    events: list[AnyEvent] = [
        BatchSubmitted(
            batch_id="b",
            batch_name="letters",
            total_images=images,
            chunk_size=chunk_size,
            initiated_by="somebody",
            options={"lane": "urgent"},
            submitted_at=BEGAN.replace(tzinfo=UTC),
        )
    ]
    for number in range(images):
        context: dict[str, Any] = {
            "batch_id": "b",
            "chain_id": f"chain-{number}",
            "index": number,
            "image_path": f"file:///{number}.png",
            "submitted_at": BEGAN.replace(tzinfo=UTC),
            "task_id": f"task-{number}",
            "task_name": "ocr",
            "started_at": moment(number).replace(tzinfo=UTC),
        }
        ended: dict[str, Any] = context | {"finished_at": moment(number + 1).replace(tzinfo=UTC)}
        events.append(TaskStarted(**context))
        if number in failing:
            events.append(OcrFailed(**ended, reason=Reason.NOT_FOUND, error=ERROR))
        else:
            square = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0))
            box = TextBox(text=f"line {number}", confidence=0.75, bbox=square)
            events.append(OcrSucceeded(**ended, boxes=(box,)))
    return events


def rows(connection: Connection[Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, columns in TABLES.items():
            query = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
            found[table] = cursor.execute(query.encode()).fetchall()
    return found


@pytest.mark.parametrize("failing", [set[int](), {3}, {0, 1}, {0, 1, 2, 3, 4}])
def test_the_same_batch_by_the_orm_and_by_events(
    database_url: str, by_orm: str, session: Session, failing: set[int]
) -> None:
    progress = write_by_orm(session, failing, images=5, chunk_size=2)
    assert progress == [0, 20, 40, 60, 80, 100]
    with (
        psycopg.connect(database_url, autocommit=True) as by_events,
        psycopg.connect(by_orm, autocommit=True) as written,
    ):
        changes = PollChanges(
            changes_of(event, ZONE.to_local) for event in told(failing, images=5, chunk_size=2)
        )
        write_poll(by_events, changes, ZONE)
        assert rows(written) == rows(by_events)


def test_columns_that_follow_from_the_counts_are_set_with_them() -> None:
    batch = BatchExecution(batch_id="b", total_images=5, chunk_size=2)
    batch.start_execution(at=BEGAN)
    assert (batch.total_known, batch.total_chunks, batch.seen_images) == (True, 3, 0)
    batch.increment_completed_images(4)
    batch.increment_failed_images()
    assert (batch.status, batch.ended, batch.seen_images) == ("FAILURE", True, 5)
    batch.increment_completed_images()
    assert (batch.total_images, batch.total_chunks, batch.seen_images) == (6, 3, 6)

    # One that events counted knows more than such code does.
    known = BatchExecution(
        batch_id="b", total_known=True, seen_images=3, unindexed_images=1, completed_images=1
    )
    known.increment_failed_images()
    assert (known.total_known, known.total_images, known.seen_images) == (True, 3, 3)
    assert (known.total_chunks, known.status) == (0, "RUNNING")


def test_a_batch_of_unknown_size_ends_only_when_told() -> None:
    batch = BatchExecution(batch_id="b")
    batch.start_execution()
    batch.increment_completed_images(3)
    assert (batch.status, batch.finished_at, batch.get_progress_percentage()) == (
        "RUNNING",
        None,
        0,
    )
    batch.complete_execution(error_message="cut short", success=False)
    assert (batch.status, batch.error_message) == ("FAILURE", "cut short")
    assert batch.finished_at is not None
    assert (batch.ended, batch.total_known, batch.seen_images) == (True, False, 3)


def test_the_columns_that_cannot_agree_are_told() -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("### Code that writes rows itself")[2].partition("\n#")[0]
    for model, compared in (
        (BatchExecution, "batch_executions"),
        (ChainExecution, "chain_executions"),
        (TaskLog, "task_logs"),
        (OcrExecution, "ocr_executions"),
    ):
        told = re.findall(rf"^\| `{compared}` \| (.*?) \|", section, re.M)
        names = {name for cell in told for name in re.findall(r"`(\w+)`", cell)}
        same = {part.partition("::")[0].strip() for part in TABLES[compared].split(",")}
        others = {column.name for column in model.__table__.columns} - same
        assert names == others - {"id", "created_at", "updated_at", "chain_execution_id"}


def test_a_chain_runs_until_its_last_task() -> None:
    chain = ChainExecution(chain_id="c", total_tasks=3)
    chain.start_execution(at=BEGAN)
    assert (chain.status, chain.started_at) == ("STARTED", BEGAN)
    chain.increment_completed_tasks(2, at=moment(1))
    assert (chain.status, chain.finished_at) == ("RUNNING", None)
    chain.increment_completed_tasks(at=moment(2))
    assert (chain.status, chain.finished_at) == ("SUCCESS", moment(2))
