"""Records that are read again: known without being decoded, if and only if they were folded."""

import dataclasses
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY
from recorder_writer import RESULTS, TOPIC, Writer, image, query, record, result

from ocrstream_recorder.errors import OffsetsMovedError
from ocrstream_recorder.recording import chain_rows
from ocrstream_recorder.recording.decoding import chains_named_by
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.headers import origin_headers
from ocrstream_schemas.ids import RecordRef

pytestmark = pytest.mark.integration

BEGINS = {(TOPIC, 0): 0, (RESULTS, 0): 0}
BOXES = "SELECT text FROM ocr_text_boxes"


@pytest.fixture
async def writer(database_url: str) -> AsyncGenerator[Writer]:
    writer = Writer(database_url)
    yield writer
    await writer.database.close()


async def read(writer: Writer, *records: RawRecord) -> list[bool]:
    """Write a poll from where it begins, whatever was read before; which records were known."""
    await writer.polls.next_offsets(BEGINS)
    begins: dict[tuple[str, int], int] = {}
    for one in records:
        begins.setdefault((one.topic, one.partition), one.offset)
    for (topic, partition), begin in begins.items():
        query(
            writer.url,
            f"UPDATE recorder_offsets SET next_offset = {begin}"
            f" WHERE topic = '{topic}' AND partition = {partition}",
        )
    prepared = await writer.polls.prepare(list(records))
    await writer.polls.write(prepared, begins, writer.release_requested).run()
    known = {(one.record.topic, one.record.offset): one.known for one in prepared.records}
    return [known[one.topic, one.offset] for one in records]


def submission(name: str, offset: int = 0, **fields: str) -> RawRecord:
    return record(image(name, **fields), offset, key=name)


async def test_what_was_folded_is_known(writer: Writer, database_url: str) -> None:
    def counted() -> float:
        name = "ocrstream_recorder_records_deduplicated_total"
        return REGISTRY.get_sample_value(name, {"topic": RESULTS}) or 0

    before = counted()
    first, second, third = submission("a"), result("a", "text", 0), submission("b", 1)
    assert await read(writer, first) == [False]
    assert await read(writer, first, second) == [True, False]
    assert await read(writer, first, second, third) == [True, True, False]
    assert await read(writer, first, second, third) == [True, True, True]
    next_offsets = {(TOPIC, 0): 2, (RESULTS, 0): 1}
    assert await writer.polls.next_offsets(BEGINS) == next_offsets
    assert counted() == before + 2
    assert query(database_url, BOXES) == [("text",)]


async def test_an_equal_record_in_another_place_or_time_is_another(
    writer: Writer, database_url: str
) -> None:
    # A topic that was made anew uses its offsets again; the times are the records' own.
    first = submission("a")
    day_ms = 24 * 3600 * 1000
    assert await read(writer, first) == [False]
    assert await read(writer, dataclasses.replace(first, offset=1)) == [False]
    later = dataclasses.replace(first, timestamp=first.timestamp + day_ms)
    assert await read(writer, later) == [False]
    ((first_at, last_at),) = query(
        database_url, "SELECT started_at, last_event_at FROM batch_executions"
    )
    assert isinstance(first_at, datetime)
    assert (last_at - first_at).total_seconds() * 1000 == day_ms


async def test_a_key_only_says_where_to_look(writer: Writer, database_url: str) -> None:
    first = submission("a")
    await read(writer, first, submission("b", 1))
    for key in (None, b"", b"\0", b"\xff\xfe", b"b"):
        assert await read(writer, dataclasses.replace(first, key=key)) == [False]
    # Kept with chain a, whose name another record of the poll has.
    elsewhere = dataclasses.replace(first, key=b"b")
    assert await read(writer, elsewhere, result("a", "text", 0)) == [True, False]
    assert query(database_url, "SELECT seen_images FROM batch_executions") == [(2,)]


async def test_what_became_a_dead_letter_is_decoded_again(
    writer: Writer, database_url: str
) -> None:
    query(
        database_url,
        "ALTER TABLE chain_executions ADD CONSTRAINT poison CHECK (chain_name <> 'poison')",
    )
    invalid = record(b'{"chain_id": "b", "image_path": "file:///b.png", "index": -1}', 1, key="b")
    records = [submission("a", chain_name="poison"), invalid]
    assert await read(writer, *records) == [False, False]
    query(database_url, "ALTER TABLE chain_executions DROP CONSTRAINT poison")
    assert await read(writer, *records) == [False, False]
    assert await read(writer, *records) == [True, False]
    assert [one.record.offset for one in writer.dead_letters.kept] == [1, 0, 1, 1]
    # Sent again, it is the record that it first was.
    origin = RecordRef(TOPIC, 0, 0, records[0].timestamp)
    redriven = dataclasses.replace(records[0], offset=2, headers=(*origin_headers(origin),))
    assert await read(writer, redriven) == [True]


async def test_what_was_not_committed_is_not_known(writer: Writer, database_url: str) -> None:
    first = submission("a")
    await read(writer, submission("b"))
    prepared = await writer.polls.prepare([first])
    with pytest.raises(OffsetsMovedError):
        await writer.polls.write(prepared, {(TOPIC, 0): 0}, writer.release_requested).run()
    with psycopg.connect(database_url) as connection:
        assert not chain_rows.known_fingerprints(connection, chains_named_by([first]))
    assert await read(writer, first) == [False]


async def test_if_nothing_can_be_asked_nothing_is_known(writer: Writer, database_url: str) -> None:
    first = submission("a")
    await read(writer, first)
    query(database_url, "ALTER TABLE chain_executions RENAME COLUMN fingerprints TO elsewhere")
    prepared = await writer.polls.prepare([first])
    assert not prepared.records[0].known
    query(database_url, "ALTER TABLE chain_executions RENAME COLUMN elsewhere TO fingerprints")
    assert await read(writer, first) == [True]


async def test_by_the_documented_statement_all_is_folded_again(
    writer: Writer, database_url: str
) -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Folding again")[2].partition("\n## ")[0]
    (statement,) = re.findall(r"^```sql\n(.*?)^```", section, re.M | re.S)
    records = [submission("a"), result("a", "text", 0)]
    await read(writer, *records)
    query(database_url, "DELETE FROM ocr_executions")
    assert await read(writer, *records) == [True, True]
    assert query(database_url, BOXES) == []
    await writer.database.close()
    query(database_url, statement)
    restarted = Writer(database_url)
    assert await read(restarted, *records) == [False, False]
    assert query(database_url, BOXES) == [("text",)]
    await restarted.database.close()
