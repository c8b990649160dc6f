"""Reading again: what is chosen, what is kept, what is sent, and that it happens once."""

from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg import Connection
from recorder_conditions import conditions, holds, written

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase, marking_engine
from ocrstream_recorder.domain.contribution import contribute
from ocrstream_recorder.domain.ledger import Ledger
from ocrstream_recorder.domain.selection import Condition
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store import poll, rereads, retries
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TextBox,
)
from ocrstream_schemas.ids import RecordRef

pytestmark = pytest.mark.integration

# Neither the server's nor UTC: what is compared must be compared as instants.
ZONE = DatabaseZone("Asia/Seoul")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(database_url: str) -> Generator[Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    database = ReadDatabase(database_url, connections=2, timeout_s=5)
    marking = marking_engine(database_url)
    api = create_api(database, ZONE, Health(), LetterBox(ServiceSettings()), writing_engine=marking)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
        yield client
    await database.close()
    await marking.dispose()


def write(connection: Connection[Any], *events: AnyEvent) -> poll.Written:
    ledger = Ledger(contribute(event, ZONE.to_local) for event in events)
    return poll.write(connection, ledger, ZONE, "cluster", {})


def box(text: str, confidence: float) -> TextBox:
    return TextBox(text=text, confidence=confidence, bbox=((0, 0), (9.5, 0), (9.5, 4), (0, 4)))


def submitted(number: int, **told: Any) -> ImageSubmitted:
    told = {"batch_id": "b", "index": number, "submitted_at": NOON, **told}
    return ImageSubmitted(image_path=f"file:///{number}.png", chain_id=f"chain-{number}", **told)


def read(number: int, *confidences: float, text: str = "old", **told: Any) -> OcrSucceeded:
    told = {
        "image_path": f"file:///{number}.png",
        "chain_id": f"chain-{number}",
        "task_id": f"task-{number}-{told.get('run', 1)}",
        "batch_id": "b",
        "index": number,
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "boxes": tuple(box(text, confidence) for confidence in confidences),
        **told,
    }
    return OcrSucceeded(**told)


def failed(number: int, **told: Any) -> OcrFailed:
    boxless: dict[str, Any] = {
        name: value
        for name in (*ImageSubmitted.__struct_fields__, "task_id", "started_at", "finished_at")
        if (value := getattr(read(number, **told), name, None)) is not None
    }
    return OcrFailed(**boxless, reason=Reason.NOT_FOUND, error="it is gone")


def submit_all(connection: Connection[Any], limit: int = 1000) -> list[int]:
    """Carry out all rereads that were asked for; how many images each part submitted."""
    parts: list[int] = []
    while True:
        with connection.transaction(), connection.cursor() as cursor:
            part = rereads.submit_part(cursor, limit, ZONE)
        if part is None:
            return parts
        assert part.looked_at <= limit
        parts.append(part.submitted)


def sent(connection: Connection[Any]) -> list[tuple[str, ImageSubmitted]]:
    """What went to the lanes, and is now gone from the outbox, as consumers get it."""
    rows = connection.execute(
        "DELETE FROM recorder_outbox WHERE topic LIKE 'images%' RETURNING id, topic, key, value"
    ).fetchall()
    events: list[tuple[str, ImageSubmitted]] = []
    for _, topic, key, value in sorted(rows):
        event = decode(topic, value, RecordRef(topic, 0, 0, 0))
        assert isinstance(event, ImageSubmitted)
        assert event.chain_id == key
        events.append((topic, event))
    return events


def result_of(event: ImageSubmitted, *confidences: float, text: str = "new") -> OcrSucceeded:
    context = {
        name: getattr(event, name)
        for name in OcrSucceeded.__struct_fields__
        if name in ImageSubmitted.__struct_fields__
    }
    boxes = tuple(box(text, confidence) for confidence in confidences)
    moment = event.submitted_at
    return OcrSucceeded(
        **context,
        task_id=f"{event.chain_id}-{event.run}",
        boxes=boxes,
        started_at=moment,
        finished_at=moment,
    )


async def ask(api: httpx.AsyncClient, expected_status: int = 202, /, **asked: Any) -> Any:
    answer = await api.post("/v1/rereads", json=asked)
    assert answer.status_code == expected_status, answer.text
    return answer.json()


async def get(api: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def count(api: httpx.AsyncClient, **asked: Any) -> tuple[int, int]:
    answer = await api.post("/v1/rereads/count", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["images"], answer.json()["boxes"]


def texts(reading: Any) -> list[str] | None:
    return None if reading is None else [one["text"] for one in reading["text_boxes"]]


async def test_what_is_uncertain_is_read_again_and_both_readings_stay(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    announced = BatchSubmitted(batch_id="b", total_images=3, submitted_at=NOON)
    images = [
        submitted(0, source_name="a scan.png", page=2, options={"boxes": "word"}),
        submitted(1),
        submitted(2),
    ]
    write(connection, announced, *images, read(0, 0.5, 0.9), read(1, 0.9, 0.8), failed(2))
    asked: dict[str, Any] = {"batch_id": "b", "where": "confidence < 0.8"}
    assert await count(api, **asked) == (1, 2)
    assert submit_all(connection) == []
    noted = await ask(api, **asked, lane="gpu", request_id="r")
    assert noted["state"] == "sending"
    assert noted["images"] == 0
    assert submit_all(connection) == [1, 0]
    [(topic, event)] = sent(connection)
    assert topic == "images.submitted.gpu"
    assert event.submitted_at == datetime.fromisoformat(noted["requested_at"])
    assert event == ImageSubmitted(
        image_path="file:///0.png",
        chain_id="chain-0",
        batch_id="b",
        index=0,
        run=2,
        chain_name="batch_image_0",
        total_tasks=1,
        submitted_at=event.submitted_at,
        initiated_by="batch_ocr",
        source_name="a scan.png",
        page=2,
        options={"boxes": "word", "lane": "gpu"},
    )
    [item] = (await get(api, "/v1/batches/b/readings"))["items"]
    assert (texts(item["old"]), item["new"]) == (["old", "old"], None)
    assert (await get(api, "/v1/rereads/r"))["state"] == "sent"
    # The batch goes on, and ends anew.
    assert write(connection, event).batches_completed == 1
    assert write(connection, result_of(event, 0.95)).batches_completed == 1
    [item] = (await get(api, "/v1/batches/b/readings"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == (["old", "old"], ["new"])
    assert [box["confidence"] for box in item["old"]["text_boxes"]] == [0.5, 0.9]
    assert item["old"]["text_boxes"][0]["bbox"] == [[0, 0], [9.5, 0], [9.5, 4], [0, 4]]
    assert (item["source_name"], item["page"], item["index"]) == ("a scan.png", 2, 0)
    assert (item["old"]["submitted_at"], item["old"]["run"]) == ("2026-05-01T12:00:00Z", 1)
    assert item["new"]["run"] == 2
    told = await get(api, "/v1/rereads/r")
    counted = ("images", "boxes", "read_images", "failed_images")
    assert [told[name] for name in counted] == [1, 2, 1, 0]
    assert await count(api, **asked) == (0, 0)


async def test_the_same_request_does_it_once(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    first = await ask(api, batch_id="b", request_id="r", where="boxes = 1")
    assert await ask(api, batch_id="b", request_id="r", where="boxes = 1") == first
    assert submit_all(connection) == [1, 0]
    again = await ask(api, batch_id="b", request_id="r", where="boxes = 1")
    assert (again["state"], again["images"]) == ("sent", 1)
    assert submit_all(connection) == []
    problem = await ask(api, 409, batch_id="b", request_id="r", where="boxes = 2")
    assert "use a new one" in problem["detail"]
    # Another request finds the image on its way already, and then being read.
    assert await count(api, batch_id="b") == (0, 0)
    await ask(api, all=True)
    assert submit_all(connection) == [0]
    [(_, event)] = sent(connection)
    write(connection, event)
    await ask(api, batch_id="b")
    assert submit_all(connection) == [0, 0]
    write(connection, result_of(event, 0.6))
    await ask(api, batch_id="b")
    assert submit_all(connection) == [1, 0]


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_it_goes_on_where_it_was_killed(
    api: httpx.AsyncClient, connection: Connection[Any], limit: int, *, everything: bool
) -> None:
    events: list[AnyEvent] = []
    for number in (4, 2, 0, 1, 3, 5, 6):
        index: dict[str, Any] = {} if number < 5 else {"index": None}
        events += [submitted(number, **index), read(number, 0.5, **index)]
    write(connection, *events)
    which: dict[str, Any] = {"all": True} if everything else {"batch_id": "b"}
    await ask(api, **which, where="confidence < 0.8")
    submitted_images = 0
    for turn in range(40):
        killed = turn % 2 == 0
        part = None
        with connection.cursor() as cursor, connection.transaction(force_rollback=killed):
            part = rereads.submit_part(cursor, limit, ZONE)
        if part is None:
            break
        if not killed:
            submitted_images += part.submitted
    assert submitted_images == 7
    paths = [event.image_path for _, event in sent(connection)]
    assert sorted(paths) == [f"file:///{number}.png" for number in range(7)]
    if not everything:
        assert paths[:5] == sorted(paths[:5])


async def test_two_recorders_never_do_the_same_part(
    api: httpx.AsyncClient, connection: Connection[Any], database_url: str
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    await ask(api, batch_id="b")
    with (
        psycopg.connect(database_url) as other,
        other.cursor() as at_work,
        connection.cursor() as cursor,
    ):
        assert rereads.submit_part(at_work, 10, ZONE) is not None
        with connection.transaction():
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            assert rereads.submit_part(cursor, 10, ZONE) is None
        other.commit()
    assert submit_all(connection) == [0]
    assert len(sent(connection)) == 1


async def test_a_reading_that_fails_leaves_the_old_text_where_it_is_kept(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    await ask(api, batch_id="b", request_id="r")
    submit_all(connection)
    [(_, event)] = sent(connection)
    write(connection, event, failed(0, run=2, submitted_at=event.submitted_at))
    [item] = (await get(api, "/v1/readings", image_path="file:///0.png"))["items"]
    assert texts(item["old"]) == ["old"]
    assert (item["new"]["status"], item["new"]["reason"]) == ("failed", "not_found")
    told = await get(api, "/v1/rereads/r")
    assert (told["read_images"], told["failed_images"]) == (0, 1)
    # And again, now because it failed.
    await ask(api, batch_id="b", where="reason = not_found")
    submit_all(connection)
    [(_, event)] = sent(connection)
    write(connection, event, result_of(event, 0.7))
    items = (await get(api, "/v1/readings", image_path="file:///0.png"))["items"]
    assert [(texts(item["old"]), texts(item["new"])) for item in items] == [
        ([], ["new"]),
        (["old"], []),
    ]
    [item] = (await get(api, "/v1/batches/b/readings"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == ([], ["new"])


async def test_readings_come_page_by_page(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), submitted(1), read(0, 0.5, text="0"), read(1, 0.5, text="0"))
    for number in range(1, 5):
        await ask(api, batch_id="b")
        submit_all(connection)
        for _, event in sent(connection):
            write(connection, event, result_of(event, 0.5, text=str(number)))
    for limit in (1, 2, 3, 4, 5):
        found: list[tuple[Any, Any]] = []
        parameters: dict[str, Any] = {"image_path": "file:///1.png", "limit": limit}
        for _ in range(5):
            page = await get(api, "/v1/readings", **parameters)
            found += [(texts(one["old"]), texts(one["new"])) for one in page["items"]]
            assert len(page["items"]) <= limit
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]
        assert found == [([str(number - 1)], [str(number)]) for number in (4, 3, 2, 1)]
    first = await get(api, "/v1/batches/b/readings", limit=1)
    second = await get(api, "/v1/batches/b/readings", limit=1, cursor=first["next_cursor"])
    assert [one["image_path"] for one in first["items"] + second["items"]] == [
        "file:///0.png",
        "file:///1.png",
    ]
    assert second["next_cursor"] is None


async def test_a_batch_that_was_cancelled_is_read_again_above_its_cancel(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), read(0, 0.5), BatchRevoked(batch_id="b", run=7))
    await ask(api, batch_id="b", request_id="r")
    submit_all(connection)
    [(_, event)] = sent(connection)
    assert event.run == 8
    write(connection, event, result_of(event, 0.9))
    assert (await get(api, "/v1/batches/b"))["completed_images"] == 1


async def test_a_deadline_that_has_passed_does_not_cut_it_off(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    deadline = NOON + timedelta(hours=1)
    announced = BatchSubmitted(
        batch_id="b",
        total_images=2,
        options={"deadline": deadline.isoformat()},
        submitted_at=NOON,
    )
    # A retry before the deadline took only one of them to the second run.
    write(connection, announced, submitted(0), submitted(1), read(0, 0.5), failed(1))
    write(connection, submitted(1, run=2), read(1, 0.9, run=2))
    await ask(api, batch_id="b", where="confidence < 0.8")
    submit_all(connection)
    [(_, event)] = sent(connection)
    write(connection, event)
    [(due,)] = connection.execute("SELECT cancel_due_at FROM batch_executions").fetchall()
    assert due is None
    assert event.run == 3


async def test_all_runs_of_one_request_are_the_same(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), submitted(1), read(0, 0.5), read(1, 0.5))
    await ask(api, batch_id="b")
    with connection.transaction(), connection.cursor() as cursor:
        rereads.submit_part(cursor, 1, ZONE)
    [(_, first)] = sent(connection)
    write(connection, first, result_of(first, 0.9))
    submit_all(connection, limit=1)
    [(_, second)] = sent(connection)
    assert (first.run, second.run) == (2, 2)


async def test_a_result_from_a_clock_that_is_ahead_gives_way_too(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=3)
    write(connection, submitted(0, submitted_at=ahead), read(0, 0.5, submitted_at=ahead))
    await ask(api, batch_id="b")
    submit_all(connection)
    [(_, event)] = sent(connection)
    assert event.submitted_at == ahead + timedelta(microseconds=1)
    write(connection, event, result_of(event, 0.9))
    image = await get(api, "/v1/images", image_path="file:///0.png")
    assert texts(image) == ["new"]


async def test_images_without_a_batch_and_from_before_the_recorder_are_among_all(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    alone: dict[str, Any] = {"batch_id": None, "index": None, "options": {"lane": "urgent"}}
    write(connection, submitted(0, **alone), read(0, 0.5, **alone))
    connection.execute(
        "INSERT INTO ocr_executions (id, image_path, status)"
        " VALUES (900, '/old/scan.png', 'success')"
    )
    connection.execute(
        "INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox)"
        " VALUES (900, 'ancient', 0.25, '[[0,0],[1,0],[1,1],[0,1]]')"
    )
    assert await count(api, all=True) == (2, 2)
    await ask(api, all=True, request_id="r")
    assert submit_all(connection) == [2]
    (lane, own), (topic, old) = sent(connection)
    assert (lane, own.chain_id, own.run) == ("images.submitted.urgent", "chain-0", 2)
    assert (topic, old.image_path, old.run, old.batch_id) == (
        "images.submitted",
        "/old/scan.png",
        1,
        None,
    )
    await ask(api, all=True)
    assert submit_all(connection) == [0]
    write(connection, own, old, result_of(own, 0.9), result_of(old, 0.9))
    [item] = (await get(api, "/v1/readings", image_path="/old/scan.png"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == (["ancient"], ["new"])
    told = await get(api, "/v1/rereads/r")
    assert (told["batch_id"], told["images"], told["read_images"]) == (None, 2, 2)


async def test_what_another_batch_has_read_since_is_left_to_it(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    later = NOON + timedelta(hours=1)
    write(connection, submitted(0), read(0, 0.5))
    other: dict[str, Any] = {"batch_id": "c", "submitted_at": later}
    write(connection, read(0, 0.6, chain_id="other", task_id="other", **other))
    assert await count(api, batch_id="b") == (0, 0)
    assert await count(api, batch_id="c") == (1, 1)
    assert await count(api, all=True) == (1, 1)


async def test_a_reread_and_a_retry_go_side_by_side(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), submitted(1), read(0, 0.5), failed(1))
    write(connection, BatchRetryRequested(batch_id="b", request_id="r", requested_at=NOON))
    await ask(api, batch_id="b", request_id="r", where="status = success")
    submit_all(connection)
    with connection.transaction(), connection.cursor() as cursor:
        assert retries.submit_part(cursor, 10) is not None
    events = [event for _, event in sent(connection)]
    assert {event.chain_id: event.run for event in events} == {"chain-0": 2, "chain-1": 2}


def images() -> list[dict[str, Any]]:
    """Images of every kind, as a condition may look at them."""
    hours = {"age": 3600.0}
    return [
        {"confidences": [0.25, 0.75], "run": 1, "lane": "default", **hours},
        {"confidences": [0.5], "run": 2, "lane": "gpu", **hours},
        {"confidences": [1.0, 1.0, 1.0], "run": 1, "lane": "urgent", "age": 172_800.0},
        {"confidences": [], "run": 1, "lane": "default", "reason": "no_text", **hours},
        {"confidences": None, "run": 3, "lane": "gpu", "reason": "not_found", **hours},
    ]


def as_seen(image: dict[str, Any]) -> dict[str, Any]:
    confidences: list[float] = image["confidences"] or []
    return {
        "reason": None,
        **image,
        "boxes": len(confidences),
        "confidence": sum(confidences) / len(confidences) if confidences else None,
        "min_confidence": min(confidences, default=None),
        "status": "success" if confidences else "failed",
    }


@pytest.fixture
def several(connection: Connection[Any]) -> datetime:
    """The moment at which `images` are as old as they say."""
    now = NOON + timedelta(days=7)
    for index, image in enumerate(images()):
        told: dict[str, Any] = {
            "run": image["run"],
            "submitted_at": now - timedelta(seconds=image["age"]),
            "options": {"lane": image["lane"]},
        }
        confidences = image["confidences"]
        outcome = (
            failed(index, **told) if confidences is None else read(index, *confidences, **told)
        )
        write(connection, submitted(index, **told), outcome)
    return now


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions())
def test_a_condition_chooses_what_it_says(
    connection: Connection[Any], several: datetime, condition: Condition
) -> None:
    chosen = [seen for seen in map(as_seen, images()) if holds(condition, seen)]
    for batch_id in ("b", None):
        sql: Any
        sql, parameters = rereads.count_statement(batch_id, condition, several, ZONE)
        [told] = connection.execute(sql, parameters).fetchall()
        assert told == (len(chosen), sum(seen["boxes"] for seen in chosen)), written(condition)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"batch_id": "b", "where": "confidence < high"}, 422, "at character 14:"),
        ({"batch_id": "b", "where": "'; DROP TABLE x"}, 422, "has no meaning here"),
        ({"batch_id": "b", "where": "confidence < 0.8\0"}, 422, "NUL"),
        ({"batch_id": "b", "where": "run = 1 or " * 200}, 422, "1000 characters"),
        ({"batch_id": "b", "lane": "fast"}, 422, "lane must be one of default, urgent, gpu"),
        ({"batch_id": "b", "all": True}, 422, "give either batch_id, or all"),
        ({"all": False}, 422, "#/all"),
        ({}, 422, "give either batch_id, or all"),
        ({"batch_id": "b", "were": "boxes = 1"}, 422, "#/were"),
        ({"batch_id": "unheard-of"}, 404, "unheard-of"),
        ({"batch_id": "b", "request_id": ""}, 422, "#/request_id"),
    ],
)
async def test_a_bad_request_does_nothing_and_says_why(
    api: httpx.AsyncClient,
    connection: Connection[Any],
    asked: dict[str, Any],
    status: int,
    said: str,
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    answer = await api.post("/v1/rereads", json=asked)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert submit_all(connection) == []


async def test_what_nobody_has_asked_for_is_not_there(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    assert (await api.get("/v1/rereads/r")).status_code == 404
    assert (await api.get("/v1/batches/b/readings")).status_code == 404
    write(connection, submitted(0), read(0, 0.5))
    assert (await get(api, "/v1/batches/b/readings"))["items"] == []
    page = await get(api, "/v1/readings", image_path="file:///0.png")
    assert (page["items"], page["next_cursor"]) == ([], None)
