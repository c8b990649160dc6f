"""Reprocessing: what is kept, what is sent, and that it happens once."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from psycopg import Connection
from read_api import get, read_api
from reprocessing_scene import (
    NOON,
    ZONE,
    ask,
    count,
    failed,
    read,
    result_of,
    sent,
    submit_all,
    submitted,
    texts,
    write,
)

from ocrstream_recorder.reprocessing import requests, retries
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    Provenance,
    Reason,
    Refusal,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with read_api(database_url, ZONE) as client:
        yield client


async def test_what_is_uncertain_is_read_again_and_both_result_versions_stay(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    announced = BatchSubmitted(batch_id="b", total_images=3, submitted_at=NOON)
    by = Provenance(engine="old", versions={"ocrstream": "1"})
    images = [
        submitted(0, source_name="a scan.png", page=2, options={"boxes": "word"}),
        submitted(1),
        submitted(2),
    ]
    write(
        connection,
        announced,
        *images,
        read(0, 0.5, 0.9, provenance=by),
        read(1, 0.9, 0.8),
        failed(2),
    )
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
    [item] = (await get(api, "/v1/batches/b/result-versions"))["items"]
    assert (texts(item["old"]), item["new"]) == (["old", "old"], None)
    assert (await get(api, "/v1/reprocessings/r"))["state"] == "sent"
    # The batch goes on, and ends anew.
    assert write(connection, event).batches_completed == 1
    assert write(connection, result_of(event, 0.95)).batches_completed == 1
    [item] = (await get(api, "/v1/batches/b/result-versions"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == (["old", "old"], ["new"])
    assert [box["confidence"] for box in item["old"]["text_boxes"]] == [0.5, 0.9]
    assert item["old"]["text_boxes"][0]["bbox"] == [[0, 0], [9.5, 0], [9.5, 4], [0, 4]]
    assert (item["source_name"], item["page"], item["index"]) == ("a scan.png", 2, 0)
    assert (item["old"]["submitted_at"], item["old"]["run"]) == ("2026-05-01T12:00:00Z", 1)
    assert item["new"]["run"] == 2
    assert (item["old"]["provenance"]["engine"], item["new"]["provenance"]) == ("old", None)
    told = await get(api, "/v1/reprocessings/r")
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


async def test_an_image_without_a_file_is_not_read_again(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    refused = msgspec.structs.replace(
        submitted(1),
        image_path="refused:///b/1",
        refused=Refusal(reason=Reason.UNDECODABLE, error="no PDF"),
    )
    write(connection, submitted(0), read(0, 0.5), refused)
    assert await count(api, batch_id="b") == (1, 1)
    assert await count(api, all=True) == (1, 1)


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
            part = requests.submit_part(cursor, limit, ZONE)
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
        assert requests.submit_part(at_work, 10, ZONE) is not None
        with connection.transaction():
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            assert requests.submit_part(cursor, 10, ZONE) is None
        other.commit()
    assert submit_all(connection) == [0]
    assert len(sent(connection)) == 1


async def test_a_reprocessing_that_fails_leaves_the_old_text_where_it_is_kept(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    await ask(api, batch_id="b", request_id="r")
    submit_all(connection)
    [(_, event)] = sent(connection)
    write(connection, event, failed(0, run=2, submitted_at=event.submitted_at))
    [item] = (await get(api, "/v1/result-versions", image_path="file:///0.png"))["items"]
    assert texts(item["old"]) == ["old"]
    assert (item["new"]["status"], item["new"]["reason"]) == ("failed", "not_found")
    told = await get(api, "/v1/reprocessings/r")
    assert (told["read_images"], told["failed_images"]) == (0, 1)
    # And again, now because it failed.
    await ask(api, batch_id="b", where="reason = not_found")
    submit_all(connection)
    [(_, event)] = sent(connection)
    write(connection, event, result_of(event, 0.7))
    items = (await get(api, "/v1/result-versions", image_path="file:///0.png"))["items"]
    assert [(texts(item["old"]), texts(item["new"])) for item in items] == [
        ([], ["new"]),
        (["old"], []),
    ]
    [item] = (await get(api, "/v1/batches/b/result-versions"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == ([], ["new"])


async def test_result_versions_come_page_by_page(
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
            page = await get(api, "/v1/result-versions", **parameters)
            found += [(texts(one["old"]), texts(one["new"])) for one in page["items"]]
            assert len(page["items"]) <= limit
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]
        assert found == [([str(number - 1)], [str(number)]) for number in (4, 3, 2, 1)]
    first = await get(api, "/v1/batches/b/result-versions", limit=1)
    second = await get(api, "/v1/batches/b/result-versions", limit=1, cursor=first["next_cursor"])
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
        requests.submit_part(cursor, 1, ZONE)
    [(_, first)] = sent(connection)
    write(connection, first, result_of(first, 0.9))
    submit_all(connection, limit=1)
    [(_, second)] = sent(connection)
    assert (first.run, second.run) == (2, 2)


async def test_a_result_from_a_clock_that_is_ahead_gives_way_too(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
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
    [item] = (await get(api, "/v1/result-versions", image_path="/old/scan.png"))["items"]
    assert (texts(item["old"]), texts(item["new"])) == (["ancient"], ["new"])
    told = await get(api, "/v1/reprocessings/r")
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


async def test_a_reprocessing_and_a_retry_go_side_by_side(
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
