"""Random ledgers in the real database: however they come, the rows are what the records say."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from real_servers import fresh_database
from recorder_events import RECORDED_MS
from recorder_ledgers import History, contents_of, dealt, histories, record, retry_request
from recorder_oracle import Content, batches, retried
from recorder_rows import TABLES, check_batches_completed, check_rows, submit_again
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import ConcurrentChangeError
from ocrstream_recorder.recording import chain_rows
from ocrstream_recorder.recording.decoding import chains_named_by, decode_record
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_runtime.kafka import RawRecord, decode_event
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import ImageSubmitted, OcrFailed, OcrSucceeded, Reason, TextBox
from ocrstream_schemas.times import record_timestamp_ms
from ocrstream_schemas.topics import BATCHES_COMMANDS, OCR_RESULTS

# `make test-deep` takes more, by a profile of its own.
LEDGERS = max(200, settings().max_examples)
REPLICAS = 4
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60 + 2 * LEDGERS)]

ZONE = DatabaseZone("UTC")
_ATTEMPTS = 50
_BOX = TextBox(text="again", confidence=0.5, bbox=((0, 0), (1, 0), (1, 1), (0, 1)))


class Replicas(NamedTuple):
    """Recorders beside each other, each with a thread and a connection of its own."""

    connections: list[Connection[Any]]
    threads: ThreadPoolExecutor

    def write(self, replicas: list[list[list[RawRecord]]]) -> None:
        """Write polls, those of each replica in turn, those of different ones at once."""
        together = threading.Barrier(len(replicas), timeout=30)

        def work(connection: Connection[Any], polls: list[list[RawRecord]]) -> None:
            together.wait()
            for records in polls:
                write(connection, records)

        pairs = zip(self.connections, replicas, strict=False)
        for done in [self.threads.submit(work, *pair) for pair in pairs]:
            done.result()


@pytest.fixture(scope="module")
def replicas(postgres_url: str) -> Generator[Replicas]:
    with (
        ExitStack() as stack,
        fresh_database(postgres_url) as url,
        ThreadPoolExecutor(REPLICAS) as threads,
    ):
        connections = [
            stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(REPLICAS)
        ]
        yield Replicas(connections, threads)


def write(connection: Connection[Any], records: list[RawRecord]) -> Written:
    """Write a poll as the recorder does; a deadlock would raise."""
    known = chain_rows.known_fingerprints(connection, chains_named_by(records))
    decoded = [decode_record(one, ZONE.to_local, known) for one in records]
    changes = PollChanges([one.changes for one in decoded if one.changes is not None])
    for _ in range(_ATTEMPTS):
        try:
            return write_poll(connection, changes, ZONE)
        except (ConcurrentChangeError, psycopg.errors.UniqueViolation):
            # Two recorders asked for one public path at once, for one; the recorder tries again.
            continue
    raise AssertionError("the rows changed under the poll for ever")


def submitted_again(connection: Connection[Any]) -> list[RawRecord]:
    """What retries put into the outbox, as consumers get it."""
    submit_again(connection)
    sent = connection.execute(
        "SELECT topic, value FROM recorder_outbox WHERE topic <> 'batches.completed' ORDER BY id"
    )
    records = [produced(topic, value, 1000 + at) for at, (topic, value) in enumerate(sent)]
    for one in records:
        # No bound cuts off what puts a retry after all that is known (ADR 19).
        image = decode_event(one)
        assert isinstance(image, ImageSubmitted)
        assert image == msgspec.json.decode(one.value or b"", type=ImageSubmitted)
    return records


def produced(topic: str, value: bytes, offset: int) -> RawRecord:
    """A record as our own producers write it."""
    return record(topic, value, offset, record_timestamp_ms(value, RECORDED_MS))


def outcomes(records: list[RawRecord], outcomes_of: Iterator[bool]) -> list[RawRecord]:
    """A result of each image that was submitted again, read or not."""
    found: list[RawRecord] = []
    for at, one in enumerate(records):
        image = msgspec.json.decode(one.value or b"", type=ImageSubmitted)
        fields = {name: getattr(image, name) for name in image.__struct_fields__}
        del fields["batch_total"], fields["refused"]
        event = (
            OcrSucceeded(**fields, boxes=(_BOX,))
            if next(outcomes_of)
            else OcrFailed(**fields, reason=Reason.ENGINE, error="again")
        )
        found.append(produced(OCR_RESULTS, encode(event), 2000 + at))
    return found


def check(connection: Connection[Any], contents: list[Content]) -> None:
    check_rows(connection, contents)
    check_batches_completed(connection)


@settings(max_examples=LEDGERS, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories(REPLICAS), chance=st.randoms(use_true_random=False))
def test_rows_are_what_the_records_say(replicas: Replicas, history: History, chance: Any) -> None:
    connection = replicas.connections[0]
    connection.execute(f"TRUNCATE {TABLES}")
    records = list(history.records)
    replicas.write(history.replicas)
    check(connection, contents_of(records))

    # Ask for a retry of everything while all is quiet: which images it covers is known then.
    known = contents_of(records)
    before = len(submitted_again(connection))
    asked = [
        record(BATCHES_COMMANDS, encode(retry_request(batch_id, "last")), 3000, 0)
        for batch_id in sorted(batches(known))
    ]
    records += asked
    write(connection, asked)
    again = submitted_again(connection)
    expected = [retried(known, batch_id, include_no_text=False) for batch_id in batches(known)]
    images = [msgspec.json.decode(one.value or b"", type=ImageSubmitted) for one in again]
    assert {image.chain_id: image.run for image in images[before:]} == {
        chain_id: run for chains in expected for chain_id, run in chains.items()
    }
    late = again + outcomes(again, iter(lambda: chance.random() < 0.7, None))
    records += late
    replicas.write(dealt(late, chance, len(history.replicas)))
    contents = contents_of(records)
    check(connection, contents)

    # All of it once more changes nothing, and tells nobody; nor if no record is known any more.
    for _ in range(2):
        replayed = write(connection, records)
        assert {rows.staged for rows in replayed.rows.values()} == {0}
        assert not replayed.batches_completed
        assert not replayed.retries
        check(connection, contents)
        connection.execute("UPDATE chain_executions SET fingerprints = NULL")
