"""Events of batches, from real servers on a real database."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import psycopg
import pytest
from event_stream import Event, listening
from fastapi import FastAPI
from prometheus_client import REGISTRY
from psycopg import Connection
from real_servers import fresh_database
from write_poll import write_poll

from ocrstream_local.processes import free_port
from ocrstream_recorder.api import events
from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.progress.batch_watcher import BatchWatcher
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_runtime.health import Health
from ocrstream_runtime.server import serve
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.events import (
    AnyEvent,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TextBox,
)

pytestmark = pytest.mark.integration

ResultT = TypeVar("ResultT")

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ZONE = DatabaseZone("Europe/Berlin")
BOX = TextBox(text="hi", confidence=0.75, bbox=((0, 0), (9, 0), (9, 4), (0, 4)))
IMAGES = 4


class CountingDatabase(Database):
    """Counts what it is asked."""

    asked = 0

    async def run(self, work: Callable[[Connection[Any]], ResultT]) -> ResultT:
        self.asked += 1
        return await super().run(work)


@dataclass
class Replica:
    """A recorder's API and watcher, without the recording."""

    url: str
    api: FastAPI
    database: CountingDatabase
    stop: asyncio.Event
    ended: asyncio.Future[Any]

    def events(self, batch_id: str = "b") -> str:
        return f"{self.url}/v1/batches/{quote(batch_id, safe='')}/events"


@asynccontextmanager
async def replica(database_url: str, listener_limit: int = 1_000) -> AsyncGenerator[Replica]:
    reads = ReadDatabase(database_url, connections=2, timeout_s=5)
    database, stop, port = CountingDatabase(database_url, "events"), asyncio.Event(), free_port()
    settings = ServiceSettings.model_validate({"http_port": port, "shutdown_timeout_s": 600})
    watcher = BatchWatcher(database, ZONE, listener_limit)
    api = create_api(reads, ZONE, Health(), DeadLetterRecords(settings), batch_watcher=watcher)
    ended = asyncio.gather(serve(api, settings, stop), watcher.run(stop))
    url = f"http://127.0.0.1:{port}"
    try:
        await asyncio.sleep(0)
        yield Replica(url, api, database, stop, ended)
    finally:
        stop.set()
        await ended
        await database.close()
        await reads.close()


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(retries=20, limits=httpx.Limits(max_connections=None))
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:
        yield client


def write(connection: Connection[Any], *told: AnyEvent) -> None:
    changes = PollChanges(changes_of(event, ZONE.to_local) for event in told)
    write_poll(connection, changes, ZONE)


def announce(connection: Connection[Any], batch_id: str = "b", images: int = IMAGES) -> None:
    write(connection, BatchSubmitted(batch_id=batch_id, total_images=images, submitted_at=NOON))


def submitted(number: int, run: int = 1, batch_id: str = "b") -> ImageSubmitted:
    return ImageSubmitted(
        image_path=f"file:///{number}.png",
        chain_id=f"{batch_id}-{number}",
        batch_id=batch_id,
        index=number,
        run=run,
        submitted_at=NOON,
    )


def outcome(
    number: int, reason: Reason | None = None, run: int = 1, batch_id: str = "b"
) -> AnyEvent:
    told: dict[str, Any] = {
        "chain_id": f"{batch_id}-{number}",
        "image_path": f"file:///{number}.png",
        "batch_id": batch_id,
        "index": number,
        "run": run,
        "task_id": f"{batch_id}-{number}-{run}",
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
    }
    if reason is None:
        return OcrSucceeded(**told, boxes=(BOX,))
    return OcrFailed(**told, reason=reason, error="it is gone")


async def eventually(what: str, holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


def listeners() -> float | None:
    return REGISTRY.get_sample_value("ocrstream_recorder_event_listeners")


async def test_a_batch_is_followed_to_its_end_and_beyond(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with replica(database_url) as one, listening(http, one.events()) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert await stream.block() == b"retry: 2000"
        first = await stream.event()
        assert (first.name, first.data["status"], first.data["eta_s"]) == (
            "progress",
            "PENDING",
            None,
        )
        write(connection, outcome(0), outcome(1, Reason.NOT_FOUND))
        half = await stream.until(2)
        assert (half.name, half.data["status"], half.data["progress"]) == (
            "progress",
            "RUNNING",
            50,
        )
        assert half.data["failed_images"] == 1
        assert half.data["images_per_s"] > 0
        assert half.data["eta_s"] > 0
        answer = (await http.get(f"{one.url}/v1/batches/b")).json()
        assert {name: half.data[name] for name in half.data.keys() & answer.keys()} == {
            name: answer[name] for name in half.data.keys() & answer.keys()
        }
        write(connection, outcome(2), outcome(3))
        end = await stream.until(4)
        assert (end.name, end.data["status"], end.data["revision"]) == ("end", "FAILURE", 1)
        assert (end.data["images_per_s"], end.data["eta_s"]) == (None, None)
        # A retry that is under way: the batch is no longer ended.
        write(connection, submitted(1, run=2))
        again = await stream.event()
        assert (again.name, again.data["run"], again.done) == ("progress", 2, 3)
        write(connection, outcome(1, run=2))
        last = await stream.until(4)
        assert (last.name, last.data["status"]) == ("end", "SUCCESS")
        assert last.data["revision"] > end.data["revision"]


async def test_another_replica_tells_the_same_and_goes_on_where_the_first_ended(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with replica(database_url) as one, replica(database_url) as other:
        told: dict[str, list[Event]] = {one.url: [], other.url: []}
        for done in range(IMAGES + 1):
            if done:
                write(connection, outcome(done - 1))
            for at in (one, other):
                async with listening(http, at.events()) as stream:
                    told[at.url].append(await stream.event())
        ids = [[event.event_id for event in events_] for events_ in told.values()]
        assert ids[0] == ids[1]
        assert len(set(ids[0])) == IMAGES + 1
        # Whatever it was told last, a listener that comes to the other hears the present state
        # once, and nothing if it has heard it already.
        for event_id in [*ids[0][:-1], "of another time", ""]:
            async with listening(http, other.events(), event_id) as stream:
                assert (await stream.event()).event_id == ids[0][-1]
        async with listening(http, other.events(), ids[0][-1]) as stream:
            assert await stream.block() == b"retry: 2000"
            write(connection, submitted(0, run=2))
            assert (await stream.event()).data["run"] == 2


async def test_five_hundred_listeners_cost_one_query_a_look(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    batch_ids = [f"batch {number}" for number in range(100)]
    for batch_id in batch_ids:
        announce(connection, batch_id)
    async with replica(database_url) as one, AsyncExitStack() as opened:

        async def listen(number: int) -> Any:
            batch_id = batch_ids[number % 100] if number % 2 else batch_ids[0]
            stream = await opened.enter_async_context(listening(http, one.events(batch_id)))
            await stream.event()
            return batch_id, stream

        streams = await asyncio.gather(*(listen(number) for number in range(500)))
        assert listeners() == 500
        looks = one.database.asked
        for batch_id in batch_ids:
            write(connection, outcome(0, batch_id=batch_id))
        heard = await asyncio.gather(*(stream.until(1) for _, stream in streams))
        assert [event.data["batch_id"] for event in heard] == [batch_id for batch_id, _ in streams]
        # Looks go by the clock, however many listen: by far fewer than one for each of them.
        assert one.database.asked - looks < 50
    await eventually("all are forgotten", lambda: listeners() == 0)


async def test_nobody_listening_costs_nothing(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with replica(database_url) as one:
        async with listening(http, one.events()) as stream:
            await stream.event()
        await eventually("it is forgotten", lambda: listeners() == 0)
        await asyncio.sleep(1.2)
        looks = one.database.asked
        await asyncio.sleep(1.2)
        assert one.database.asked == looks


async def test_a_listener_that_does_not_read_misses_only_what_is_outdated(
    database_url: str, connection: Connection[Any]
) -> None:
    announce(connection)
    async with replica(database_url) as one:
        sent: list[bytes] = []
        reads, waits = asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if b"event:" in sent[-1]:
                waits.set()
                await reads.wait()

        path = "/v1/batches/b/events"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "headers": [],
            "asgi": {"spec_version": "2.3"},
        }
        request = asyncio.create_task(one.api(scope, asyncio.Queue[Any]().get, send))
        await waits.wait()
        for number in range(3):
            looks = one.database.asked
            write(connection, outcome(number))
            await eventually("a look at it", lambda: one.database.asked >= looks + 2)  # noqa: B023
        told = len(sent)
        reads.set()
        await eventually("it is told", lambda: len(sent) > told)
        assert b'"completed_images":3' in sent[told]
        one.stop.set()
        await request
        assert [body for body in sent if b'"completed_images":1,' in body] == []


async def test_what_is_unknown_is_not_found(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with replica(database_url) as one:
        # No row can have the last two.
        for batch_id, status in (
            ("unheard of", 404),
            ("b/", 404),
            ("nul\0", 422),
            ("x" * 256, 422),
        ):
            answer = await http.get(one.events(batch_id))
            assert answer.status_code == status, batch_id
            assert answer.headers["content-type"] == "application/problem+json"
        async with listening(http, one.events()) as stream:
            await stream.event()
            connection.execute("DELETE FROM batch_executions")
            with pytest.raises(StopAsyncIteration):
                await stream.event()


@pytest.mark.parametrize("batch_id", ["a/b", "ü ?#&=%", "한국어", "x/events", "%2F", "'; --", "\t"])
async def test_ids_may_hold_any_character(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient, batch_id: str
) -> None:
    announce(connection, batch_id)
    async with replica(database_url) as one, listening(http, one.events(batch_id)) as stream:
        assert (await stream.event()).data["batch_id"] == batch_id


async def test_no_more_may_listen_than_the_setting_says(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with replica(database_url, listener_limit=2) as one:
        async with listening(http, one.events()), listening(http, one.events()):
            answer = await http.get(one.events())
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
        await eventually("they are forgotten", lambda: listeners() == 0)
        async with listening(http, one.events()) as stream:
            await stream.event()


async def test_the_server_ends_while_they_listen(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection)
    async with (
        replica(database_url) as one,
        listening(http, one.events()) as stream,
        listening(http, one.events()),
    ):
        await stream.event()
        one.stop.set()
        # Long before the server would cut them off.
        async with asyncio.timeout(60):
            await one.ended
        with pytest.raises(StopAsyncIteration):
            await stream.event()


async def test_comments_keep_an_idle_stream_alive(
    database_url: str,
    connection: Connection[Any],
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.1)
    announce(connection)
    async with replica(database_url) as one, listening(http, one.events()) as stream:
        await stream.event()
        assert re.fullmatch(rb":.*", await stream.block())


async def test_a_database_that_is_away_ends_no_stream(
    postgres_url: str, http: httpx.AsyncClient
) -> None:
    server = postgres_url.rpartition("/")[0]
    with fresh_database(postgres_url) as database_url:
        name = database_url.rpartition("/")[2]
        with psycopg.connect(database_url, autocommit=True) as connection:
            announce(connection)
        async with replica(database_url) as one, listening(http, one.events()) as stream:
            await stream.event()
            with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')  # pyright: ignore
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )
                answer = await http.get(one.events())
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')  # pyright: ignore
            with psycopg.connect(database_url, autocommit=True) as connection:
                write(connection, outcome(0))
            assert (await stream.until(1)).done == 1


async def test_the_pace_fades_and_counts_what_is_done(
    database_url: str, connection: Connection[Any], http: httpx.AsyncClient
) -> None:
    announce(connection, images=300)
    connection.execute("UPDATE batch_executions SET created_at = created_at - interval '1 h'")
    write(connection, *(outcome(number) for number in range(100)))
    # As if half a minute ago: a hundred images count as 100 / e.
    connection.execute("UPDATE batch_executions SET recent_at = recent_at - interval '30 s'")
    write(connection, *(outcome(number, Reason.ENGINE) for number in range(100, 150)))
    row = connection.execute("SELECT recent_images FROM batch_executions").fetchone()
    assert row is not None
    assert row[0] == pytest.approx(100 / 2.71828 + 50, rel=0.05)
    async with replica(database_url) as one, listening(http, one.events()) as stream:
        told = (await stream.event()).data
        assert told["images_per_s"] == pytest.approx(row[0] / 30, rel=0.2)
        assert told["eta_s"] == pytest.approx(150 / told["images_per_s"], abs=1)
        # Nothing more is done: told anew, under the same id, as it fades.
        connection.execute("UPDATE batch_executions SET recent_at = recent_at - interval '1 h'")
        assert (await stream.event()).data["eta_s"] is None
    # However long nothing is done, and however often its row is written, that is no error.
    for number in range(40):
        connection.execute("UPDATE batch_executions SET recent_at = recent_at - interval '1 day'")
        write(connection, submitted(200 + number))
    row = connection.execute("SELECT recent_images FROM batch_executions").fetchone()
    assert row == (0.0,)
