"""The outbox: in order, at least once, by one sender at a time."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError

from ocrstream_recorder.outbox_sender import OutboxSender
from ocrstream_recorder.store import outbox
from ocrstream_recorder.store.database import Database
from ocrstream_recorder.store.outbox import Event
from ocrstream_schemas.topics import BATCHES_COMPLETED, TOPICS

pytestmark = pytest.mark.integration


class Producer:
    """Stands for aiokafka's: acknowledges what it is given, unless it is told to fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, str]] = []
        self.failures = 0

    async def send(
        self, topic: str, *, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> "asyncio.Future[None]":
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            told.set_exception(KafkaConnectionError("no broker"))
        else:
            self.sent.append((key.decode(), value, dict(headers)["ce_id"].decode()))
            told.set_result(None)
        return told


class Running:
    """A sender at work."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, "outbox")
        self.producer = Producer()
        producer: Any = self.producer
        self.sender = OutboxSender(self.database, producer)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.sender.run(self.stop))

    async def end(self) -> None:
        if self.stop.is_set():
            return
        self.stop.set()
        self.sender.woken.set()
        await self.task
        await self.database.close()


@pytest.fixture
async def running(database_url: str) -> AsyncGenerator[Running]:
    running = Running(database_url)
    yield running
    await running.end()


def fill(url: str, *events: Event) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        outbox.insert(cursor, list(events))


def event(number: int, size: int = 0) -> Event:
    value = {"type": "BatchCompleted", "number": number, "filler": "x" * size}
    return Event(
        f"batch:{number}", BATCHES_COMPLETED, f"batch-{number % 3}", msgspec.json.encode(value)
    )


async def emptied(url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            with psycopg.connect(url) as connection:
                if connection.execute("SELECT FROM recorder_outbox LIMIT 1").fetchone() is None:
                    return
            await asyncio.sleep(0.05)


async def test_rows_go_out_in_order_and_are_forgotten(running: Running, database_url: str) -> None:
    fill(database_url, *(event(number) for number in range(1200)))
    running.sender.woken.set()
    await emptied(database_url)
    assert [ce_id for _, _, ce_id in running.producer.sent] == [f"batch:{n}" for n in range(1200)]


async def test_what_was_not_acknowledged_stays_and_goes_again(
    running: Running, database_url: str
) -> None:
    running.producer.failures = 2
    fill(database_url, *(event(number) for number in range(5)))
    await emptied(database_url)
    last_five = [ce_id for _, _, ce_id in running.producer.sent[-5:]]
    assert last_five == [f"batch:{number}" for number in range(5)]


async def test_a_row_that_fits_no_topic_does_not_block_the_others(
    running: Running, database_url: str
) -> None:
    too_large = TOPICS[BATCHES_COMPLETED].max_message_bytes
    fill(database_url, event(0), event(1, size=too_large), event(2))
    await emptied(database_url)
    assert [ce_id for _, _, ce_id in running.producer.sent] == ["batch:0", "batch:2"]


async def test_one_of_two_senders_sends_and_the_other_takes_over(
    running: Running, database_url: str
) -> None:
    fill(database_url, event(0))
    await emptied(database_url)
    other = Running(database_url)
    fill(database_url, *(event(number) for number in range(1, 50)))
    await emptied(database_url)
    senders = [one for one in (running, other) if one.producer.sent]
    assert len(senders) == 1
    await senders[0].end()
    left = other if senders[0] is running else running
    fill(database_url, event(99))
    await emptied(database_url)
    assert [ce_id for _, _, ce_id in left.producer.sent] == ["batch:99"]
    await other.end()
