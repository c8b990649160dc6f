"""The recorder's writer on a real database: tried again if it may pass, else set aside."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import psycopg
import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY

from ocrstream_recorder.dead_letters import Kept
from ocrstream_recorder.drain_limit import DrainLimit
from ocrstream_recorder.intake import Judged
from ocrstream_recorder.recording import GivenBack, Recording
from ocrstream_recorder.store.database import Database
from ocrstream_recorder.store.dead_letters import Coordinates
from ocrstream_recorder.store.offsets import OffsetsMovedError
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import ImageSubmitted, OcrSucceeded, TextBox

pytestmark = pytest.mark.integration

TOPIC = "images.submitted"
RESULTS = "ocr.results"


class DeadLetters:
    """Keeps what it is given; fails `failures` times first."""

    def __init__(self) -> None:
        self.kept: list[Judged] = []
        self.failures = 0

    async def publish(self, judged: Iterable[Judged]) -> Kept:
        rejected = [one for one in judged if one.rejection]
        if rejected and self.failures:
            self.failures -= 1
            raise KafkaConnectionError("no broker")
        kept: Kept = {}
        for one in rejected:
            self.kept.append(one)
            place = Coordinates(f"{one.record.topic}.dlq", 0, len(self.kept) - 1)
            origin = one.record
            kept[Coordinates(origin.topic, origin.partition, origin.offset)] = place
        return kept


class Writer:
    """A Recording with its parts."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, "test")
        self.dead_letters = DeadLetters()
        self.recording = Recording(
            self.database,
            self.dead_letters,
            DrainLimit(100),
            DatabaseZone("UTC"),
            cluster_id="cluster",
            group_id="recorder",
            on_outbox=lambda: None,
        )

    async def record(
        self, records: list[RawRecord], begins: dict[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        return await self.recording.record(self.recording.prepare(records), begins)

    async def begin(self) -> None:
        await self.recording.next_offsets({(TOPIC, 0): 0, (TOPIC, 1): 0})


@pytest.fixture
async def writer(database_url: str) -> AsyncGenerator[Writer]:
    writer = Writer(database_url)
    await writer.begin()
    yield writer
    await writer.database.close()


def record(value: bytes, offset: int, partition: int = 0, topic: str = TOPIC) -> RawRecord:
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=1_700_000_000_000 + offset,
        timestamp_type=0,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=(),
    )


def image(name: str, **fields: Any) -> bytes:
    event = ImageSubmitted(image_path=f"file:///{name}.png", chain_id=name, batch_id="b", **fields)
    return encode(event)


def result(name: str, text: str, offset: int) -> RawRecord:
    box = TextBox(text=text, confidence=0.9, bbox=((0, 0), (1, 0), (1, 1), (0, 1)))
    event = OcrSucceeded(image_path=f"file:///{name}.png", chain_id=name, boxes=(box,))
    return record(encode(event), offset, topic=RESULTS)


def query(url: str, sql: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


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
    nexts = await writer.record(records, {(TOPIC, 0): 0, (TOPIC, 1): 0})
    assert nexts == {(TOPIC, 0): 15, (TOPIC, 1): 15}
    kept = writer.dead_letters.kept
    assert {int(one.record.offset) * 2 + one.record.partition for one in kept} == poisoned
    assert all(one.rejection and one.rejection.reason == "refused_by_database" for one in kept)
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
    await writer.record([record(b"garbage", 0), record(image("good"), 1)], {(TOPIC, 0): 0})
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

    await writer.recording.next_offsets({(RESULTS, 0): 0})
    before = missing()
    await writer.record(
        [result("a", "kept", 0), result("b", "kept", 1), result("a", "kept", 2)],
        {(RESULTS, 0): 0},
    )
    assert missing() == before
    await writer.record([result("c", "swallowed", 3)], {(RESULTS, 0): 3})
    assert missing() == before | {"boxes": before["boxes"] + 1}


async def test_a_broken_connection_is_made_anew(writer: Writer, database_url: str) -> None:
    query(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'",
    )
    nexts = await writer.record([record(image("a"), 0)], {(TOPIC, 0): 0})
    assert nexts == {(TOPIC, 0): 1}


async def test_what_another_owner_wrote_is_not_written_again(
    writer: Writer, database_url: str
) -> None:
    other = Writer(database_url)
    records = [record(image("a"), 0), record(image("b"), 1)]
    await other.record(records, {(TOPIC, 0): 0})
    with pytest.raises(OffsetsMovedError):
        await writer.record(records, {(TOPIC, 0): 0})
    assert await writer.recording.next_offsets({(TOPIC, 0): 0}) == {(TOPIC, 0): 2}
    await other.database.close()


async def test_lets_go_of_what_cannot_be_written() -> None:
    writer = Writer("postgresql://nobody@127.0.0.1:9/none")
    writing = asyncio.create_task(writer.record([record(image("a"), 0)], {(TOPIC, 0): 0}))
    await asyncio.sleep(0)
    writer.recording.let_go.set()
    with pytest.raises(GivenBack):
        await writing
    await writer.database.close()
