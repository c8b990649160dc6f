"""Two recorders that meet at the same rows, in exactly the moment that would do harm.

A gate, a lock held by the test, stops the first writer in the middle of its transaction until the
second one waits, too.
"""

import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection
from recorder_rows import check_batches_completed, check_rows
from write_poll import write_poll

from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.offsets import Span
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import (
    AnyEvent,
    BatchSubmitted,
    ImageSubmitted,
    OcrSucceeded,
    TaskStarted,
    TaskSucceeded,
    TextBox,
)

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
KEYS = 30
ROUNDS = 12
ALONE: dict[str, Any] = {"batch_id": None, "index": None}
_WAIT_S = 30
_SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Writers:
    """Two writers on threads of their own, and the test's own connections."""

    def __init__(self, url: str, threads: ThreadPoolExecutor) -> None:
        self.url = url
        self._threads = threads
        self.own = self.connect()
        self.pair = [self.connect(), self.connect()]

    def connect(self) -> Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        for connection in (self.own, *self.pair):
            connection.close()

    def write(self, events: list[AnyEvent]) -> None:
        """Write a poll now."""
        _write(self.own, events, 2)

    @contextmanager
    def gate(self, statement: LiteralString, *parameters: Any) -> Generator[None]:
        """Hold what `statement` locks, and undo what it did at the end."""
        with self.connect() as gate, gate.transaction(force_rollback=True):
            gate.execute(statement, parameters)
            yield

    def begin(self, writer: int, events: list[AnyEvent]) -> Future[None]:
        """Let a writer begin with a poll; returns when it waits for a lock."""
        connection = self.pair[writer]
        done = self._threads.submit(_write, connection, events, writer)
        deadline = time.monotonic() + _WAIT_S
        while not self._waits(connection):
            wait([done], timeout=0.005)
            assert not done.done(), done.result()
            assert time.monotonic() < deadline
        return done

    def _waits(self, connection: Connection[Any]) -> bool:
        found = self.own.execute(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
            (connection.info.backend_pid,),
        ).fetchone()
        return bool(found and found[0])


def _write(connection: Connection[Any], events: list[AnyEvent], writer: int) -> None:
    partition = ("ocr.results", writer)
    with connection.transaction(), connection.cursor() as cursor:
        begin = offsets.next_offsets(cursor, "cluster", {partition: 0})[partition]
    changes = PollChanges(changes_of(event, ZONE.to_local) for event in events)
    write_poll(connection, changes, ZONE, {partition: Span(begin, begin + 1)})


@pytest.fixture
def writers(database_url: str) -> Generator[Writers]:
    with ThreadPoolExecutor(2) as threads:
        writers = Writers(database_url, threads)
        writers.write([])
        _write(writers.own, [], 0)
        _write(writers.own, [], 1)
        yield writers
        writers.close()


def image(number: int, **fields: Any) -> ImageSubmitted:
    defaults: dict[str, Any] = {
        "chain_id": f"chain-{number:02}",
        "batch_id": f"batch-{number:02}",
        "index": 0,
        "image_path": f"file:///{number:02}.png",
        "submitted_at": MOMENT,
    }
    return ImageSubmitted(**defaults | fields)


def read(number: int, text: str = "text", **fields: Any) -> OcrSucceeded:
    defaults: dict[str, Any] = {
        "chain_id": f"chain-{number:02}",
        "batch_id": f"batch-{number:02}",
        "index": 0,
        "image_path": f"file:///{number:02}.png",
        "task_id": f"task of {fields.get('chain_id', number)}",
        "submitted_at": MOMENT,
        "finished_at": MOMENT,
        "boxes": (TextBox(text=text, confidence=0.5, bbox=_SQUARE),),
    }
    return OcrSucceeded(**defaults | fields)


def check(writers: Writers, written: list[AnyEvent]) -> None:
    check_rows(writers.own, list(written))
    check_batches_completed(writers.own)


def one_after_the_other(
    writers: Writers,
    before: list[AnyEvent],
    first: list[AnyEvent],
    second: list[AnyEvent],
    gate: LiteralString = "SELECT FROM recorder_offsets WHERE partition = 0 FOR UPDATE",
) -> None:
    """Both polls fold into what `before` wrote; the second begins before the first commits."""
    writers.write(before)
    with writers.gate(gate):
        done = [writers.begin(0, first)]
        done.append(writers.begin(1, second))
    for one in done:
        one.result()
    check(writers, [*before, *first, *second])


def test_two_tasks_of_a_chain_end_at_once(writers: Writers) -> None:
    context: dict[str, Any] = {"chain_id": "c", "total_tasks": 2, "finished_at": MOMENT}
    one_after_the_other(
        writers,
        [
            TaskStarted(chain_id="c", task_id=task_id, task_name=task_id, started_at=MOMENT)
            for task_id in ("layout", "llm")
        ],
        [TaskSucceeded(**context, task_id="layout", task_name="layout")],
        [TaskSucceeded(**context, task_id="llm", task_name="llm")],
    )


def test_two_images_of_a_batch_end_at_once(writers: Writers) -> None:
    one_after_the_other(
        writers,
        [
            BatchSubmitted(batch_id="b", total_images=2, submitted_at=MOMENT),
            image(1, batch_id="b"),
            image(2, batch_id="b", index=1),
        ],
        [read(1, batch_id="b")],
        [read(2, batch_id="b", index=1)],
        # Batches are locked after the offsets.
        "SELECT FROM batch_executions FOR NO KEY UPDATE",
    )


def test_two_results_of_a_path_come_at_once(writers: Writers) -> None:
    path = "file:///shared.png"
    one_after_the_other(
        writers,
        [read(1, "first", image_path=path, **ALONE)],
        [read(3, "greatest", image_path=path, **ALONE)],
        [read(2, "between", image_path=path, **ALONE)],
    )


def crossing(
    writers: Writers, gate: LiteralString, key: str, polls: tuple[list[AnyEvent], list[AnyEvent]]
) -> None:
    """Both write rows of the same keys; the one that first comes to the gate's waits there.

    In one order the other one waits behind it. In any other, each comes to hold what the other
    wants next, and the database ends one of them.
    """
    with writers.gate(gate, key):
        done = [writers.begin(number, poll) for number, poll in enumerate(polls)]
    for one in done:
        one.result()


def test_new_chains_are_inserted_in_one_order(writers: Writers) -> None:
    gate = "INSERT INTO chain_executions (chain_id, run) VALUES (%s, 1)"
    written: list[AnyEvent] = []
    for turn in range(ROUNDS):
        chain_ids = [f"chain-{turn}-{number:02}" for number in range(KEYS)]
        events: list[AnyEvent] = [image(1, **ALONE, chain_id=one) for one in chain_ids]
        crossing(writers, gate, chain_ids[KEYS // 2], (events, events[::-1]))
        written += events
    check(writers, written)


def test_chains_are_locked_in_one_order(writers: Writers) -> None:
    events: list[AnyEvent] = [image(number, **ALONE) for number in range(KEYS)]
    writers.write(events)
    gate = "SELECT FROM chain_executions WHERE chain_id = %s FOR UPDATE"
    for _ in range(ROUNDS):
        crossing(writers, gate, f"chain-{KEYS // 2}", (events, events[::-1]))
    check(writers, events)


def test_images_are_locked_in_one_order(writers: Writers) -> None:
    written: list[AnyEvent] = [read(number, **ALONE) for number in range(KEYS)]
    writers.write(written)
    gate = "SELECT FROM ocr_executions WHERE image_path = %s FOR UPDATE"
    for turn in range(ROUNDS):
        polls: list[list[AnyEvent]] = [
            [read(number, **ALONE, chain_id=f"{writer}-{turn}-{number}") for number in range(KEYS)]
            for writer in range(2)
        ]
        crossing(writers, gate, f"file:///{KEYS // 2}.png", (polls[0], polls[1][::-1]))
        written += polls[0] + polls[1]
    check(writers, written)


def test_batches_are_locked_in_one_order(writers: Writers) -> None:
    written: list[AnyEvent] = [image(number) for number in range(KEYS)]
    writers.write(written)
    # Not stronger, or the foreign keys of new chains would already wait for it.
    gate = "SELECT FROM batch_executions WHERE batch_id = %s FOR NO KEY UPDATE"
    for turn in range(ROUNDS):
        polls: list[list[AnyEvent]] = [
            [image(number, chain_id=f"{writer}-{turn}-{number}") for number in range(KEYS)]
            for writer in range(2)
        ]
        crossing(writers, gate, f"batch-{KEYS // 2}", (polls[0], polls[1][::-1]))
        written += polls[0] + polls[1]
    check(writers, written)
