"""The recorder's writer on a real database, with a dead-letter topic that is a list."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import psycopg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaConnectionError

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer, KeptAt
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll_write import PollWrite
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_recorder.rules.rejection import Rejection
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import ImageSubmitted, OcrSucceeded, TextBox

TOPIC = "images.submitted"
RESULTS = "ocr.results"


class DeadLetter(NamedTuple):
    """A record that was rejected."""

    record: RawRecord
    rejection: Rejection


class ListedDeadLetters:
    """Keeps what it is given; fails `failures` times first."""

    def __init__(self) -> None:
        self.kept: list[DeadLetter] = []
        self.failures = 0

    async def publish(self, rejected: Iterable[tuple[RawRecord, Rejection]]) -> KeptAt:
        """As the real producer does."""
        dead_letters = [DeadLetter(*one) for one in rejected]
        if dead_letters and self.failures:
            self.failures -= 1
            raise KafkaConnectionError("no broker")
        kept_at: KeptAt = {}
        for one in dead_letters:
            self.kept.append(one)
            place = Coordinates(f"{one.record.topic}.dlq", 0, len(self.kept) - 1)
            origin = one.record
            kept_at[Coordinates(origin.topic, origin.partition, origin.offset)] = place
        return kept_at


class Writer:
    """A PollWriter with its parts."""

    def __init__(self, url: str, limit: int = 100, *, idle_timeout_s: float = 30.0) -> None:
        self.url = url
        self.database = Database(url, "test", transaction_idle_timeout_s=idle_timeout_s)
        self.dead_letters = ListedDeadLetters()
        self.size = TransactionSize(2_000, idle_timeout_s)
        self.release_requested = asyncio.Event()
        self.polls = PollWriter(
            self.database,
            cast("DeadLetterProducer", self.dead_letters),
            DeadLetterBreaker(limit),
            DatabaseZone("UTC"),
            self.size,
            cluster_id="cluster",
            group_id="recorder",
            on_outbox=lambda: None,
        )

    async def prepare(
        self, records: list[RawRecord], begins: dict[tuple[str, int], int]
    ) -> PollWrite:
        """Prepare a poll; it is written when it is run."""
        return self.polls.write(await self.polls.prepare(records), begins, self.release_requested)

    async def write(
        self, records: list[RawRecord], begins: dict[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """Prepare a poll and write it; returns where its partitions stand then."""
        return (await (await self.prepare(records, begins)).run()).next_offsets

    async def begin(self) -> None:
        """Two partitions stand at their first offset."""
        await self.polls.next_offsets({(TOPIC, 0): 0, (TOPIC, 1): 0})


async def being_retried(writer: Writer) -> str:
    """What readiness shows, as soon as it shows something."""
    while True:
        try:
            await writer.polls.retry_health.check()
        except NotReadyError as trouble:
            return str(trouble)
        await asyncio.sleep(0.01)


def record(
    value: bytes,
    offset: int,
    partition: int = 0,
    topic: str = TOPIC,
    *,
    key: str | None = None,
    later_ms: int = 0,
) -> RawRecord:
    """A record as a consumer gets it, written at a time that follows from its offset."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=1_780_000_000_000 + offset + later_ms,
        timestamp_type=0,
        key=None if key is None else key.encode(),
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=(),
    )


def image(name: str, **fields: Any) -> bytes:
    """The submission of an image of batch b."""
    event = ImageSubmitted(image_path=f"file:///{name}.png", chain_id=name, batch_id="b", **fields)
    return encode(event)


def result(name: str, text: str, offset: int) -> RawRecord:
    """The record of a result with one box."""
    box = TextBox(text=text, confidence=0.9, bbox=((0, 0), (1, 0), (1, 1), (0, 1)))
    event = OcrSucceeded(image_path=f"file:///{name}.png", chain_id=name, boxes=(box,))
    return record(encode(event), offset, topic=RESULTS, key=name)


def query(url: str, sql: Any) -> list[tuple[Any, ...]]:
    """The rows that a statement gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []
