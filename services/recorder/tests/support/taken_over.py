"""Recording into a database of the system before, and looking at what is in it."""

import contextlib
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from old_database import TABLES
from psycopg import Connection
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import AnyEvent, OcrSucceeded, TextBox

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
UTC_ZONE = DatabaseZone("UTC")
BOX = TextBox(text="new", confidence=0.5, bbox=((0, 0), (9.5, 0), (9.5, 4), (0, 4)))


@contextlib.contextmanager
def open_database(url: str) -> Generator[Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def write(connection: Connection[Any], *events: AnyEvent, zone: DatabaseZone = UTC_ZONE) -> Written:
    changes = PollChanges(changes_of(event, zone.to_local) for event in events)
    return write_poll(connection, changes, zone)


def one(connection: Connection[Any], query: LiteralString, *parameters: Any) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def read(number: int, **told: Any) -> OcrSucceeded:
    told = {
        "image_path": f"/new/{number}.png",
        "chain_id": f"new-chain-{number}",
        "task_id": f"new-task-{number}",
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "boxes": (BOX,),
        **told,
    }
    return OcrSucceeded(**told)


def filenodes(connection: Connection[Any]) -> dict[str, int]:
    return {
        table: one(connection, "SELECT pg_relation_filenode(%s::regclass)", table)[0]
        for table in TABLES
    }
