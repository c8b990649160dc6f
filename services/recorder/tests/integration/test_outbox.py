"""The outbox: in order, at least once, by one sender at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import DatabaseUnavailableError
from ocrstream_recorder.outbox import outbox_rows
from ocrstream_recorder.outbox.outbox_rows import OutboxEvent
from ocrstream_recorder.outbox.sender import OutboxSender
from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import ImageSubmitted
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import BATCHES_COMPLETED, IMAGES_SUBMITTED, TOPICS

pytestmark = pytest.mark.integration


class Producer:
    """Stands for aiokafka's: a record is in `log` when it is acknowledged.

    `refused` tells of which sends, counted from 0, none is; while `held` is clear they all wait.
    """

    def __init__(self, log: list[tuple[str, str]] | None = None) -> None:
        self.log = [] if log is None else log
        self.refused: set[int] = set()
        self.timestamps_ms: dict[str, int] = {}
        self.count = 0
        self.held = asyncio.Event()
        self.held.set()

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["Producer"]:
        yield self

    async def send(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        headers: list[tuple[str, bytes]],
        timestamp_ms: int,
    ) -> "asyncio.Task[None]":
        self.timestamps_ms[dict(headers)["ce_id"].decode()] = timestamp_ms
        number, self.count = self.count, self.count + 1
        return asyncio.create_task(
            self._acknowledge(number, key.decode(), dict(headers)["ce_id"].decode())
        )

    async def _acknowledge(self, number: int, key: str, event_id: str) -> None:
        await self.held.wait()
        if number in self.refused:
            raise KafkaConnectionError("no broker")
        self.log.append((key, event_id))


class Running:
    """A sender at work."""

    def __init__(
        self,
        url: str,
        log: list[tuple[str, str]] | None = None,
        *,
        idle_session_timeout_s: int = 0,
    ) -> None:
        self.database = Database(url, "outbox", idle_session_timeout_s=idle_session_timeout_s)
        self.producer = Producer(log)
        producer: Any = self.producer
        self.sender = OutboxSender(self.database, producer, DatabaseZone("UTC"))
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


def fill(url: str, *events: OutboxEvent) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        outbox_rows.insert(cursor, list(events))


def event(number: int, size: int = 0) -> OutboxEvent:
    value = {"type": "BatchCompleted", "number": number, "filler": "x" * size}
    return OutboxEvent(
        f"batch:{number}", BATCHES_COMPLETED, f"batch-{number % 3}", msgspec.json.encode(value)
    )


async def emptied(url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            with psycopg.connect(url) as connection:
                if connection.execute("SELECT FROM recorder_outbox LIMIT 1").fetchone() is None:
                    return
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


def check(log: list[tuple[str, str]], count: int) -> None:
    """All events are there, and of each key the first copies are in order."""
    firsts = list(dict.fromkeys(log))
    assert len(firsts) == count
    for key in {key for key, _ in firsts}:
        numbers = [int(event_id.split(":")[1]) for of, event_id in firsts if of == key]
        assert numbers == sorted(numbers)


async def test_rows_go_out_in_order_and_are_forgotten(running: Running, database_url: str) -> None:
    fill(database_url, *(event(number) for number in range(2500)))
    running.sender.woken.set()
    await emptied(database_url)
    assert len(running.producer.log) == 2500
    check(running.producer.log, 2500)


async def test_a_record_is_stamped_so_that_readers_keep_its_times(
    running: Running, database_url: str
) -> None:
    now = datetime.now(UTC)
    times = {"now": now, "ahead": now + timedelta(minutes=50)}
    fill(
        database_url,
        *(
            OutboxEvent(name, IMAGES_SUBMITTED, name, encode(image(submitted_at)))
            for name, submitted_at in times.items()
        ),
    )
    await emptied(database_url)
    stamps = running.producer.timestamps_ms
    for name, submitted_at in times.items():
        ref = RecordRef(IMAGES_SUBMITTED, 0, 0, stamps[name])
        assert decode(IMAGES_SUBMITTED, encode(image(submitted_at)), ref) == image(submitted_at)
    assert stamps["ahead"] - stamps["now"] > 39 * 60 * 1000


def image(submitted_at: datetime) -> ImageSubmitted:
    return ImageSubmitted(image_path="file:///a", chain_id="c", submitted_at=submitted_at)


@pytest.mark.parametrize("refused", [{0}, {0, 1}, {2}, {1, 3, 4}, {0, 2, 5, 6, 7, 8}])
async def test_what_was_not_acknowledged_goes_again_before_what_follows_it(
    running: Running, database_url: str, refused: set[int]
) -> None:
    running.producer.refused = refused
    fill(database_url, *(event(number) for number in range(9)))
    await emptied(database_url)
    check(running.producer.log, 9)


async def test_a_row_that_fits_no_topic_does_not_block_the_others(
    running: Running, database_url: str
) -> None:
    too_large = TOPICS[BATCHES_COMPLETED].max_message_bytes
    fill(database_url, event(0), event(3, size=too_large), event(6))
    await emptied(database_url)
    assert [event_id for _, event_id in running.producer.log] == ["batch:0", "batch:6"]


async def test_large_values_are_taken_a_few_at_a_time(running: Running, database_url: str) -> None:
    size = TOPICS[BATCHES_COMPLETED].max_message_bytes - 1000
    fill(database_url, *(event(number, size=size) for number in range(100)))
    await emptied(database_url)
    check(running.producer.log, 100)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        fill(database_url, *(event(number, size=1000) for number in range(4)))
        assert len(outbox_rows.take(cursor, 10, 1)) == 1
        assert len(outbox_rows.take(cursor, 10, 2000)) == 2
        assert len(outbox_rows.take(cursor, 3, 10_000)) == 3


async def test_one_of_two_senders_sends_and_the_other_takes_over(
    running: Running, database_url: str
) -> None:
    fill(database_url, event(0))
    await emptied(database_url)
    other = Running(database_url)
    fill(database_url, *(event(number) for number in range(1, 50)))
    await emptied(database_url)
    senders = [one for one in (running, other) if one.producer.log]
    assert len(senders) == 1
    await senders[0].end()
    left = other if senders[0] is running else running
    fill(database_url, event(99))
    await emptied(database_url)
    assert [event_id for _, event_id in left.producer.log] == ["batch:99"]
    await other.end()


async def test_a_sender_that_lost_its_session_cannot_put_records_out_of_order(
    running: Running, database_url: str
) -> None:
    log = running.producer.log
    fill(database_url, *(event(number) for number in range(30)))
    await emptied(database_url)
    # The first sender has rows in flight, loses its session, and the second one sends them.
    running.producer.held.clear()
    sent = running.producer.count
    fill(database_url, *(event(number) for number in range(30, 60)))
    await until(lambda: running.producer.count > sent)
    terminate_others(database_url)
    other = Running(database_url, log)
    await emptied(database_url)
    fill(database_url, *(event(number) for number in range(60, 90)))
    await emptied(database_url)
    # Now what the first one had in flight arrives, and it goes on until it sees that it may not.
    running.producer.held.set()
    await until(lambda: running.producer.count == sent + 30)
    fill(database_url, *(event(number) for number in range(90, 120)))
    await emptied(database_url)
    await other.end()
    check(log, 120)
    assert len(log) > 120


def may_send(connection: psycopg.Connection[Any]) -> bool:
    with connection.cursor() as cursor:
        return outbox_rows.may_send(cursor)


async def test_what_takes_longer_to_send_than_a_session_lasts_is_not_sent_again(
    database_url: str,
) -> None:
    running = Running(database_url, idle_session_timeout_s=1)
    running.producer.held.clear()
    fill(database_url, *(event(number) for number in range(3)))
    await until(lambda: running.producer.count == 3)
    with psycopg.connect(database_url, autocommit=True) as connection:
        await until(lambda: may_send(connection))
    running.producer.held.set()
    await emptied(database_url)
    await running.end()
    assert running.producer.count == 3


async def test_a_sender_that_stands_still_loses_its_right_to_send(database_url: str) -> None:
    database = Database(database_url, "outbox", idle_session_timeout_s=1)

    assert await database.run(may_send)
    with psycopg.connect(database_url, autocommit=True) as connection:
        await until(lambda: may_send(connection))
        with pytest.raises(DatabaseUnavailableError):
            await database.run(may_send)
        assert not await database.run(may_send)
    await database.close()


def terminate_others(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_reprocessing_that_the_database_refuses_holds_up_nothing_else(
    running: Running, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE recorder_reprocessings ADD CHECK (pending)")
        connection.execute(
            "INSERT INTO recorder_reprocessings (request_id, pending, requested_at)"
            " VALUES ('r', true, now())"
        )
    for number in range(3):
        fill(database_url, event(number))
        running.sender.woken.set()
        await emptied(database_url)
    assert not running.task.done()
    check(running.producer.log, 3)
