"""The recorder's writer on a real database: tried again if it may pass, else set aside."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY
from recorder_writer import (
    RESULTS,
    TOPIC,
    Writer,
    being_retried,
    image,
    query,
    record,
    result,
)

from ocrstream_recorder.errors import (
    DatabaseUnavailableError,
    DataRefusedError,
    OffsetsMovedError,
    PollAbandonedError,
)
from ocrstream_recorder.recording import poll_transaction
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.headers import REDRIVE, origin_headers
from ocrstream_schemas.ids import RecordRef

pytestmark = pytest.mark.integration


@pytest.fixture
async def writer(database_url: str) -> AsyncGenerator[Writer]:
    writer = Writer(database_url)
    await writer.begin()
    yield writer
    await writer.database.close()


async def test_a_refusal_ends_the_trouble_before_it(
    writer: Writer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(database_url, "ALTER TABLE chain_executions ADD CHECK (chain_name <> 'poison')")
    really_advance = poll_transaction.advance_offsets
    troubles = [DatabaseUnavailableError("away")]

    def advance_offsets(
        *arguments: Any, **options: Any
    ) -> AbstractContextManager[poll_transaction.AdvancedPoll]:
        if troubles:
            raise troubles.pop()
        return really_advance(*arguments, **options)

    monkeypatch.setattr(poll_transaction, "advance_offsets", advance_offsets)
    await writer.write([record(image("a", chain_name="poison"), offset=0)], {(TOPIC, 0): 0})
    assert not troubles
    assert len(writer.dead_letters.kept) == 1
    await writer.polls.retry_health.check()


async def test_what_the_database_refuses_is_found_among_many(
    writer: Writer, database_url: str
) -> None:
    query(database_url, "ALTER TABLE chain_executions ADD CHECK (chain_name <> 'poison')")
    poisoned = {3, 17, 18}
    records = [
        record(
            image(str(number), chain_name="poison" if number in poisoned else "good"),
            offset=number // 2,
            partition=number % 2,
        )
        for number in range(30)
    ]
    next_offsets = await writer.write(records, {(TOPIC, 0): 0, (TOPIC, 1): 0})
    assert next_offsets == {(TOPIC, 0): 15, (TOPIC, 1): 15}
    kept = writer.dead_letters.kept
    assert {int(one.record.offset) * 2 + one.record.partition for one in kept} == poisoned
    assert all(one.rejection.reason == "refused_by_database" for one in kept)
    outcomes = query(database_url, "SELECT chain_id, status, reason FROM chain_executions")
    assert len(outcomes) == 30
    assert {int(chain_id) for chain_id, _, reason in outcomes if reason == "dead_lettered"} == (
        poisoned
    )
    assert query(database_url, "SELECT seen_images, failed_images FROM batch_executions") == [
        (30, 3)
    ]


async def test_what_is_no_event_is_safe_before_anything_moves(
    writer: Writer, database_url: str
) -> None:
    writer.dead_letters.failures = 3
    await writer.write([record(b"garbage", 0), record(image("good"), 1)], {(TOPIC, 0): 0})
    assert writer.dead_letters.failures == 0
    assert [one.record.value for one in writer.dead_letters.kept] == [b"garbage"]
    assert query(database_url, "SELECT chain_id FROM chain_executions") == [("good",)]


SWALLOW = """
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON ocr_text_boxes FOR EACH ROW
WHEN (NEW.text = 'swallowed') EXECUTE FUNCTION swallow();
"""


async def test_rows_that_the_database_swallows_raise_an_alarm(
    writer: Writer, database_url: str
) -> None:
    query(database_url, SWALLOW)

    def missing() -> dict[str, float]:
        tables = ("chains", "tasks", "images", "boxes", "batches")
        name = "ocrstream_recorder_rows_missing_total"
        return {one: REGISTRY.get_sample_value(name, {"table": one}) or 0 for one in tables}

    await writer.polls.next_offsets({(RESULTS, 0): 0})
    before = missing()
    await writer.write(
        [result("a", "kept", 0), result("b", "kept", 1), result("a", "kept", 2)],
        {(RESULTS, 0): 0},
    )
    assert missing() == before
    await writer.write([result("c", "swallowed", 3)], {(RESULTS, 0): 3})
    assert missing() == before | {"boxes": before["boxes"] + 1}


async def test_a_broken_connection_is_made_anew(writer: Writer, database_url: str) -> None:
    query(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'",
    )
    next_offsets = await writer.write([record(image("a"), 0)], {(TOPIC, 0): 0})
    assert next_offsets == {(TOPIC, 0): 1}


async def test_what_another_owner_wrote_is_not_written_again(
    writer: Writer, database_url: str
) -> None:
    other = Writer(database_url)
    records = [record(image("a"), 0), record(image("b"), 1)]
    await other.write(records, {(TOPIC, 0): 0})
    with pytest.raises(OffsetsMovedError):
        await writer.write(records, {(TOPIC, 0): 0})
    assert await writer.polls.next_offsets({(TOPIC, 0): 0}) == {(TOPIC, 0): 2}
    await other.database.close()


async def test_what_cannot_be_written_is_released() -> None:
    writer = Writer("postgresql://nobody@127.0.0.1:9/none")
    write = await writer.prepare([record(image("a"), 0)], {(TOPIC, 0): 0})
    writing = asyncio.create_task(write.run())
    await asyncio.sleep(0)
    writer.release_requested.set()
    with pytest.raises(PollAbandonedError):
        await writing
    # Whoever waits to begin the next poll does not wait for ever.
    await write.offsets_advanced()
    await writer.database.close()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"ocrstream_recorder_{name}", labels) or 0


CHECK = "CHECK (chain_name <> 'poison')"
BREAK_AND_MEND = [
    # A table or a column that is not there, a function that fails, a disk that is full and a right
    # that is missing, as the server would tell of them; a constraint on what is no record's own.
    (
        "ALTER TABLE task_logs RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO task_logs",
        "42P01",
    ),
    (
        "ALTER TABLE chain_executions RENAME COLUMN ranks TO rank_list",
        "ALTER TABLE chain_executions RENAME COLUMN rank_list TO ranks",
        "42703",
    ),
    *(
        (
            f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN RAISE ''no'' USING ERRCODE = ''{state}''; END';
                CREATE TRIGGER fail BEFORE INSERT ON task_logs EXECUTE FUNCTION fail()""",
            "DROP TRIGGER fail ON task_logs",
            state,
        )
        for state in ("XX000", "53100", "42501")
    ),
    (
        "ALTER TABLE recorder_dead_letters ADD CONSTRAINT no CHECK (reason <> 'invalid') NOT VALID",
        "ALTER TABLE recorder_dead_letters DROP CONSTRAINT no",
        "23514",
    ),
]


@pytest.mark.parametrize(
    ("break_it", "mend_it", "told"), BREAK_AND_MEND, ids=[told for *_, told in BREAK_AND_MEND]
)
async def test_what_is_no_data_error_is_tried_again_until_it_is_mended(
    writer: Writer, database_url: str, break_it: str, mend_it: str, told: str
) -> None:
    query(database_url, break_it)
    retries = counted("poll_retries_total")
    records = [record(image("a"), 0), record(b"garbage", 1), record(image("b"), 2)]
    writing = asyncio.create_task(writer.write(records, {(TOPIC, 0): 0}))
    while counted("poll_retries_total") < retries + 3:
        assert not writing.done()
        await asyncio.sleep(0.01)
    assert told in await being_retried(writer)
    assert counted("retrying", work="write") == 1
    assert len(writer.dead_letters.kept) == 1
    query(database_url, mend_it)
    assert await writing == {(TOPIC, 0): 3}
    await writer.polls.retry_health.check()
    assert counted("retrying", work="write") == 0
    assert query(database_url, "SELECT chain_id FROM chain_executions ORDER BY 1") == [
        ("a",),
        ("b",),
    ]


async def test_text_without_an_encoding_is_a_data_error(writer: Writer) -> None:
    def work(connection: psycopg.Connection[Any]) -> None:
        connection.execute("SELECT %s", ("\ud800",))

    with pytest.raises(DataRefusedError):
        await writer.database.run(work)


REGISTER = """
SELECT topic, partition, origin_offset, reason, chain_id, batch_id, state, redrives
FROM recorder_dead_letters ORDER BY id
"""


async def test_the_register_tells_of_each_dead_letter_what_can_be_read(
    writer: Writer, database_url: str
) -> None:
    query(database_url, f"ALTER TABLE chain_executions ADD {CHECK}")
    names_all = b'{"chain_id": "c", "batch_id": "b", "index": -1, "image_path": "file:///c.png"}'
    records = [
        record(b"garbage", 0),
        record(names_all, 1),
        record(b'{"batch_id": "b", "image_path": 5}', 2),
        record(image("good"), 3),
        record(image("bad", chain_name="poison"), 4),
    ]
    await writer.write(records, {(TOPIC, 0): 0})
    assert query(database_url, REGISTER) == [
        (TOPIC, 0, 0, "invalid", None, None, "open", 0),
        (TOPIC, 0, 1, "invalid", "c", "b", "open", 0),
        (TOPIC, 0, 2, "invalid", None, "b", "open", 0),
        (TOPIC, 0, 4, "refused_by_database", "bad", "b", "open", 0),
    ]
    kept = query(database_url, "SELECT kept_topic, kept_offset FROM recorder_dead_letters")
    assert sorted(kept) == [(f"{TOPIC}.dlq", offset) for offset in range(4)]


async def test_a_poll_that_fails_registers_nothing_and_moves_nothing(
    writer: Writer, database_url: str
) -> None:
    other = Writer(database_url)
    await other.write([record(b"garbage", 0)], {(TOPIC, 0): 0})
    with pytest.raises(OffsetsMovedError):
        await writer.write([record(b"garbage", 0), record(b"more", 1)], {(TOPIC, 0): 0})
    await other.database.close()
    assert len(query(database_url, REGISTER)) == 1


@pytest.mark.parametrize("redriven_at_ms", [None, 2**62])
async def test_a_result_that_claims_2099_holds_its_path_for_minutes(
    writer: Writer, database_url: str, redriven_at_ms: int | None
) -> None:
    await writer.polls.next_offsets({(RESULTS, 0): 0})
    forged, honest = result("a", "forged", 0), result("a", "honest", 1)
    claimed = msgspec.json.decode(forged.value or b"") | {"submitted_at": "2099-01-01T00:00:00Z"}
    forged = dataclasses.replace(forged, value=msgspec.json.encode(claimed))
    if redriven_at_ms is not None:
        origin = RecordRef(RESULTS, 0, 7, redriven_at_ms)
        forged = dataclasses.replace(forged, headers=(*origin_headers(origin),))
    eleven_minutes_ms = 11 * 60 * 1000
    later = dataclasses.replace(honest, timestamp=honest.timestamp + eleven_minutes_ms)
    for one in (forged, later, forged):
        await writer.write([dataclasses.replace(one, offset=0)], {(RESULTS, 0): 0})
        query(database_url, "UPDATE recorder_offsets SET next_offset = 0")
    assert query(database_url, "SELECT text FROM ocr_text_boxes") == [("honest",)]


def redriven(value: bytes, offset: int, number: int) -> RawRecord:
    origin = RecordRef(TOPIC, 0, 0, 1_780_000_000_000)
    headers = (*origin_headers(origin), (REDRIVE, str(number).encode()))
    return dataclasses.replace(record(value, offset), headers=headers)


async def test_a_redrive_that_fails_again_opens_its_dead_letter_and_a_copy_does_not(
    writer: Writer, database_url: str
) -> None:
    await writer.write([record(b"garbage", 0)], {(TOPIC, 0): 0})

    def state() -> str:
        ((found,),) = query(database_url, "SELECT state FROM recorder_dead_letters")
        return found

    query(database_url, "UPDATE recorder_dead_letters SET redrives = 1")
    assert state() == "redriven"
    await writer.write([redriven(b"garbage", 1, number=1)], {(TOPIC, 0): 1})
    assert state() == "open"
    query(database_url, "UPDATE recorder_dead_letters SET redrives = 2")
    # The first redrive came a second time; nothing new is known of the second.
    await writer.write([redriven(b"garbage", 2, number=1)], {(TOPIC, 0): 2})
    assert state() == "redriven"
    copies = [redriven(b"garbage", 3, number=2), redriven(b"garbage", 4, number=2)]
    await writer.write(copies, {(TOPIC, 0): 3})
    assert state() == "open"
    await writer.write([redriven(b"garbage", 5, number=1)], {(TOPIC, 0): 5})
    assert state() == "open"


async def test_a_database_that_refuses_everything_does_not_drain_the_topic(
    database_url: str,
) -> None:
    writer = Writer(database_url, limit=5)
    await writer.begin()
    query(database_url, f"ALTER TABLE chain_executions ADD {CHECK}")
    records = [record(image(str(n), chain_name="poison"), n) for n in range(50)]
    with pytest.raises(PollAbandonedError):
        await writer.write(records, {(TOPIC, 0): 0})
    next_offsets = await writer.polls.next_offsets({(TOPIC, 0): 0})
    assert next_offsets == {(TOPIC, 0): 5}
    assert await writer.polls.dead_letters_before(next_offsets, 3) == {(TOPIC, 0): {2, 3, 4}}
    assert len(writer.dead_letters.kept) == 5
    await writer.database.close()
