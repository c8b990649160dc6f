"""A process that computes for longer than the database lets a transaction wait still gets on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import search_scene
from prometheus_client import REGISTRY
from psycopg import Connection, Cursor
from recorder_writer import TOPIC, Writer, being_retried, image, query, record

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import (
    DatabaseUnavailableError,
    IdleInTransactionError,
    SessionLostError,
)
from ocrstream_recorder.recording import chain_rows, poll_transaction
from ocrstream_recorder.search import index
from ocrstream_recorder.search.indexer import SearchIndexer
from ocrstream_runtime.lifecycle import wait_for_event

pytestmark = pytest.mark.integration

IDLE_TIMEOUT_S = 0.5


def sessions_lost(transaction: str, cause: str) -> float:
    labels = {"transaction": transaction, "cause": cause}
    return REGISTRY.get_sample_value("ocrstream_recorder_sessions_lost_total", labels) or 0


@pytest.fixture
async def writer(database_url: str) -> AsyncGenerator[Writer]:
    writer = Writer(database_url, idle_timeout_s=IDLE_TIMEOUT_S)
    await writer.begin()
    yield writer
    await writer.database.close()


class SlowPolls:
    """Polls compute amid their transaction: too long with more than `fits` records, until one is
    written; then not at all. `sizes` are the records of each that was tried.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
        self.sizes: list[int] = []
        self._fits = fits
        self._computes_s = 0.0
        self._is_fast = False
        self._really_advance = poll_transaction.advance_offsets
        self._really_insert = chain_rows.insert_new
        monkeypatch.setattr(poll_transaction, "advance_offsets", self._advance)
        monkeypatch.setattr(chain_rows, "insert_new", self._insert)

    @contextmanager
    def _advance(self, *arguments: Any, **options: Any) -> Generator[poll_transaction.AdvancedPoll]:
        self.sizes.append(sum(span.next - span.begin for span in arguments[4].values()))
        is_long = self.sizes[-1] > self._fits
        self._computes_s = 0 if self._is_fast else IDLE_TIMEOUT_S * (1.5 if is_long else 0.5)
        with self._really_advance(*arguments, **options) as advanced:
            yield advanced
        self._is_fast = True

    def _insert(self, *arguments: Any) -> dict[str, int]:
        time.sleep(self._computes_s)
        return self._really_insert(*arguments)


LONG = "x" * 10_000_000


def copy(cursor: Cursor[Any]) -> None:
    with cursor.copy("COPY long FROM STDIN") as copying:
        copying.write(LONG)


INSERT = "INSERT INTO long VALUES (%s)"
NEXT_STEPS: dict[str, Callable[[Cursor[Any]], object]] = {
    "short": lambda cursor: cursor.execute("SELECT 1"),
    "long": lambda cursor: cursor.execute(INSERT, (LONG,)),
    "many": lambda cursor: cursor.executemany(INSERT, [("x",)] * 100),
    "many long": lambda cursor: cursor.executemany(INSERT, [(LONG,)] * 2),
    "copy": copy,
    "commit": lambda _: None,
}


@pytest.mark.parametrize("go_on", NEXT_STEPS.values(), ids=NEXT_STEPS)
async def test_what_ended_the_session_is_told_whatever_finds_it_lost(
    database_url: str, go_on: Callable[[Cursor[Any]], object]
) -> None:
    database = Database(database_url, "test", transaction_idle_timeout_s=0.1)

    def work(connection: Connection[Any]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE long (text text)")
            time.sleep(0.5)
            go_on(cursor)

    with pytest.raises(IdleInTransactionError, match="25P03"):
        await database.run(work)
    await database.close()


async def test_a_poll_that_lost_its_session_is_halved_and_grows_again(
    writer: Writer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls, before = SlowPolls(monkeypatch, fits=5), sessions_lost("poll", "idle_in_transaction")
    records = [record(image(str(number)), number) for number in range(40)]
    write = await writer.prepare(records, {(TOPIC, 0): 0})
    writing = asyncio.create_task(write.run())

    async def next_poll() -> int:
        """Begins when it may; returns how many parts were begun before it."""
        await write.offsets_advanced()
        return len(polls.sizes)

    following = asyncio.create_task(next_poll())
    trouble = await being_retried(writer)
    assert "IdleInTransactionError: 25P03" in trouble
    assert "longer than 0.5 s (OCRSTREAM_TRANSACTION_IDLE_TIMEOUT_S)" in trouble
    assert (await writing).next_offsets == {(TOPIC, 0): 40}
    # The one of 5 took more than a quarter of what the database waits.
    assert polls.sizes[:5] == [40, 20, 10, 5, 1]
    assert max(polls.sizes[5:]) > 1
    assert sum(polls.sizes[3:]) == 40
    assert sessions_lost("poll", "idle_in_transaction") == before + 3
    # The next poll begins with the last part, not amid this one.
    assert await following == len(polls.sizes)
    assert query(database_url, "SELECT count(*) FROM chain_executions") == [(40,)]
    assert query(database_url, "SELECT seen_images FROM batch_executions") == [(40,)]
    await writer.polls.retry_health.check()

    offset = 40
    while writer.size.next < 80:
        more = [record(image(str(offset + number)), offset + number) for number in range(40)]
        await writer.write(more, {(TOPIC, 0): offset})
        offset += 40
    assert query(database_url, "SELECT count(*) FROM chain_executions") == [(offset,)]


async def test_a_poll_whose_session_somebody_ends_is_halved(
    writer: Writer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    really_advance = poll_transaction.advance_offsets

    def advance_offsets(
        connection: Connection[Any], *arguments: Any, **options: Any
    ) -> AbstractContextManager[poll_transaction.AdvancedPoll]:
        sizes.append(sum(span.next - span.begin for span in arguments[3].values()))
        if len(sizes) == 1:
            query(database_url, f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        return really_advance(connection, *arguments, **options)

    monkeypatch.setattr(poll_transaction, "advance_offsets", advance_offsets)
    before = sessions_lost("poll", "other")
    records = [record(image(str(number)), number) for number in range(4)]
    assert await writer.write(records, {(TOPIC, 0): 0}) == {(TOPIC, 0): 4}
    assert sizes[:2] == [4, 2]
    assert query(database_url, "SELECT seen_images FROM batch_executions") == [(4,)]
    assert sessions_lost("poll", "other") == before + 1


async def test_a_database_that_is_away_is_no_lost_session() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none", "test")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError) as raised:
            await database.run(lambda connection: connection.execute("SELECT 1"))
        assert not isinstance(raised.value, SessionLostError)
    await database.close()


async def test_what_takes_long_to_index_is_indexed(
    database_url: str, connection: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image alone takes longer than a transaction may wait, all longer than a session may."""
    really_compute = index.grams_of

    def compute(image: index.QueuedImage) -> index.ImageGrams:
        time.sleep(1.2 * IDLE_TIMEOUT_S)
        return really_compute(image)

    monkeypatch.setattr(index, "grams_of", compute)
    causes = ("idle_in_transaction", "other")
    before = [sessions_lost("search", cause) for cause in causes]
    names = [str(number) for number in range(3)]
    search_scene.record(connection, {name: search_scene.plain(["text"]) for name in names})
    database = Database(
        database_url,
        "search",
        transaction_idle_timeout_s=IDLE_TIMEOUT_S,
        idle_session_timeout_s=1,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(SearchIndexer(database, "recorder", IDLE_TIMEOUT_S).run(stop))
    async with asyncio.timeout(60):
        while query(database_url, "SELECT count(*) FROM recorder_search_queue") != [(0,)]:
            await wait_for_event(stop, 0.05)
    stop.set()
    await task
    await database.close()
    assert query(database_url, "SELECT count(*) FROM recorder_search") == [(3,)]
    assert [sessions_lost("search", cause) for cause in causes] == before
