"""Lists, filters and cursors of the API, on a real database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from read_api import get, read_api
from read_events import NOON, ODD, at, ended, fill, write

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_schemas.events import OcrFailed, OcrSucceeded, Reason

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    zone = DatabaseZone("Europe/Berlin")
    fill(database_url, zone)
    async with read_api(database_url, zone) as client:
        yield client


async def everything(api: httpx.AsyncClient, path: str, **parameters: Any) -> list[Any]:
    """All items of a list, page by page; no page may hold more than its limit."""
    items: list[Any] = []
    for _ in range(60):
        page = await get(api, path, **parameters)
        assert len(page["items"]) <= parameters.get("limit", 100)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert page["items"]
        parameters["cursor"] = page["next_cursor"]
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [ODD, "two", "one"]),
        ({"batch_id": ODD}, [ODD]),
        ({"batch_name": "name 0"}, [ODD, "one"]),
        ({"batch_name": "name"}, []),
        ({"status": "REVOKED"}, ["two"]),
        ({"status": "RUNNING", "batch_name": "name 0"}, [ODD, "one"]),
        ({"initiated_by": "user 1"}, ["two"]),
        ({"started_from": at(3600).isoformat()}, []),
        ({"started_from": NOON.isoformat()}, [ODD, "two", "one"]),
        ({"started_before": NOON.isoformat()}, []),
        ({"started_before": at(0.001).isoformat()}, [ODD, "two", "one"]),
    ],
)
async def test_batches_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[str]
) -> None:
    for limit in (1, 2, 100):
        found = await everything(api, "/v1/batches", **parameters, limit=limit)
        assert [batch["batch_id"] for batch in found] == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, range(11)),
        ({"status": "SUCCESS"}, range(6)),
        ({"status": "FAILURE"}, [6, 7, 8]),
        ({"status": "PENDING"}, [10]),
        ({"reason": "no_text"}, [6, 8]),
        ({"reason": "not_found", "status": "FAILURE"}, [7]),
        ({"reason": "not_found", "status": "REVOKED"}, []),
        ({"warning": "small_text"}, [3, 5]),
        ({"warning": "low_confidence", "status": "SUCCESS"}, [1, 5]),
        ({"warning": "unreadable_script"}, [7]),
        ({"warning": "unreadable_script", "reason": "no_text"}, []),
        ({"name": "0.pn"}, [0, 10]),
        ({"name": "7.PNG", "status": "FAILURE"}, [7]),
        ({"name": "one"}, []),
        ({"name": "%"}, []),
    ],
)
async def test_images_of_a_batch_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[int]
) -> None:
    for limit in (1, 2, 3, 100):
        found = await everything(api, "/v1/batches/one/images", **parameters, limit=limit)
        assert [image["index"] for image in found] == list(expected)


@pytest.mark.parametrize(
    ("parameters", "of", "previous", "following"),
    [
        ({}, 0, None, 1),
        ({}, 5, 4, 6),
        ({}, 10, 9, None),
        ({"status": "FAILURE"}, 7, 6, 8),
        ({"status": "FAILURE"}, 2, None, 6),
        ({"reason": "no_text"}, 6, None, 8),
        ({"warning": "small_text"}, 5, 3, None),
        ({"name": "0"}, 5, 0, 10),
    ],
)
async def test_the_images_beside_an_image(
    api: httpx.AsyncClient,
    parameters: dict[str, Any],
    of: int,
    previous: int | None,
    following: int | None,
) -> None:
    found = await get(api, "/v1/batches/one/neighbours", chain_id=f"one/{of}", **parameters)
    beside = [image and image["index"] for image in (found["previous"], found["next"])]
    assert beside == [previous, following]


async def test_an_image_of_another_batch_has_no_neighbours(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/batches/one/neighbours", params={"chain_id": "two/1"})
    assert (answer.status_code, answer.json()["title"]) == (404, "No such chain")


async def test_a_task_tells_its_image_and_batch(api: httpx.AsyncClient) -> None:
    (task,) = (await get(api, "/v1/tasks", chain_id="one/3", task_name="ocr"))["items"]
    told = {name: task[name] for name in ("batch_id", "batch_name", "image_path", "source_name")}
    assert told == {
        "batch_id": "one",
        "batch_name": "name 0",
        "image_path": "file:///one/3.png",
        "source_name": None,
    }


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_chunks_add_up_to_what_the_batch_counts(api: httpx.AsyncClient, limit: int) -> None:
    for batch_id in ("one", "two"):
        batch = await get(api, f"/v1/batches/{batch_id}")
        chunks = await everything(api, f"/v1/batches/{batch_id}/chunks", limit=limit)
        statuses = [chunk["status"] for chunk in chunks]
        assert len(chunks) == batch["total_chunks"] == 4
        assert statuses.count("completed") == batch["completed_chunks"] == 2
        assert statuses.count("failed") == batch["failed_chunks"]
        assert sum(chunk["seen_images"] for chunk in chunks) == batch["seen_images"]
        assert sum(chunk["failed_images"] for chunk in chunks) == batch["failed_images"]
    assert statuses == ["completed", "completed", "failed", "failed"]
    assert chunks[3] == {
        "number": 3,
        "first_index": 9,
        "last_index": 10,
        "status": "failed",
        "seen_images": 2,
        "completed_images": 0,
        "failed_images": 0,
        "revoked_images": 1,
    }


async def test_failures_by_reason_with_examples(api: httpx.AsyncClient) -> None:
    groups = (await get(api, "/v1/batches/two/failures", examples=1))["items"]
    told = [(one["status"], one["reason"], one["images"]) for one in groups]
    assert sorted(told) == [
        ("FAILURE", "no_text", 2),
        ("FAILURE", "not_found", 1),
        # One was skipped, one never began; the cancel counts both.
        ("REVOKED", "revoked", 2),
    ]
    assert [one["images"] for one in groups] == [2, 2, 1]
    examples = {one["reason"]: [image["index"] for image in one["examples"]] for one in groups}
    assert examples == {"no_text": [6], "not_found": [7], "revoked": [9]}
    assert not (await get(api, "/v1/batches/two/failures", examples=0))["items"][0]["examples"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 33),
        ({"reason": "no_text", "status": "REVOKED"}, 0),
        ({"status": "FAILURE"}, 9),
        ({"status": "REVOKED"}, 3),
        ({"reason": "no_text"}, 6),
        ({"chain_name": "batch_image_4"}, 3),
        ({"chain_id": "one/4"}, 1),
        ({"chain_id": "one"}, 0),
    ],
)
async def test_chains_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 4, 100):
        found = await everything(api, "/v1/chains", **parameters, limit=limit)
        assert len(found) == len({chain["chain_id"] for chain in found}) == count
        assert all(chain[name] == value for chain in found for name, value in parameters.items())


async def test_a_chain_tells_its_tasks_as_they_began(api: httpx.AsyncClient) -> None:
    chain = await get(api, "/v1/chains/one%2F0")
    assert [(task["task_name"], task["status"]) for task in chain["tasks"]] == [
        ("ocr", "SUCCESS"),
        ("layout", "RETRY"),
    ]
    assert chain["tasks"][0]["duration_s"] == 0
    assert (await get(api, "/v1/chains/one%2F4"))["tasks"][0]["duration_s"] == 6


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 36),
        ({"task_id": "layout one"}, 1),
        ({"chain_id": "one/0"}, 2),
        ({"batch_id": "one"}, 12),
        ({"batch_id": "one", "status": "SUCCESS"}, 6),
        ({"batch_id": "none"}, 0),
        ({"task_name": "layout"}, 3),
        ({"task_name": "ocr", "status": "SUCCESS"}, 18),
        ({"status": "RETRY"}, 3),
        ({"worker": "worker 1"}, 9),
        ({"worker": "worker 1", "reason": "not_found"}, 3),
        ({"reason": "no_text"}, 6),
        ({"min_retries": 1}, 15),
        ({"min_retries": 2}, 3),
        ({"started_from": at(480).isoformat()}, 3),
        ({"started_from": at(420).isoformat(), "started_before": at(480).isoformat()}, 3),
    ],
)
async def test_tasks_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 5, 100):
        found = await everything(api, "/v1/tasks", **parameters, limit=limit)
        assert len(found) == len({task["task_id"] for task in found}) == count


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_the_slowest_tasks_come_first(api: httpx.AsyncClient, limit: int) -> None:
    asked = {"order": "slowest", "started_from": at(60).isoformat(), "limit": limit}
    found = await everything(api, "/v1/tasks", **asked)
    assert [task["duration_s"] for task in found] == [
        number * 1.5 for number in range(8, 0, -1) for _ in range(3)
    ]
    assert len({task["task_id"] for task in found}) == 24
    refused = await api.get("/v1/tasks", params={"order": "slowest"})
    assert refused.status_code == 422
    assert "started_from" in refused.json()["detail"]


async def test_tasks_are_summed_up_by_name_and_worker(api: httpx.AsyncClient) -> None:
    asked = {"started_from": NOON.isoformat(), "started_before": at(3600).isoformat()}
    ocr, layout = (await get(api, "/v1/tasks/summary", **asked))["items"]
    assert ocr == {
        "key": "ocr",
        "tasks": 27,
        "by_status": {"SUCCESS": 18, "FAILURE": 9},
        "by_reason": {"no_text": 6, "not_found": 3},
        "retried": 12,
        "median_s": 6,
        "p95_s": 12,
        "longest_s": 12,
    }
    assert (layout["key"], layout["by_status"], layout["longest_s"]) == (
        "layout",
        {"RETRY": 3},
        None,
    )
    workers = (await get(api, "/v1/tasks/summary", **asked, key="worker"))["items"]
    assert [(one["key"], one["tasks"]) for one in workers] == [
        ("worker 0", 9),
        ("worker 1", 9),
        ("worker 2", 9),
        (None, 3),
    ]
    assert workers[1]["by_reason"] == {"not_found": 3}
    one = (await get(api, "/v1/tasks/summary", **asked, task_name="ocr", worker="worker 0"))[
        "items"
    ]
    assert [(group["tasks"], group["key"]) for group in one] == [(9, "ocr")]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["first", "second", "third", "fourth"]),
        ({"order": "reading"}, ["first", "second", "third", "fourth"]),
        ({"order": "stored"}, ["second", "third", "first", "fourth"]),
        ({"min_confidence": 0.9}, ["first", "second", "fourth"]),
        ({"min_confidence": 0.91}, []),
        ({"region": "0,0,100,5"}, ["first", "second"]),
        ({"region": "10,4,30,20", "order": "stored"}, ["third", "first"]),
        ({"region": "40,21,45,22.5", "order": "reading"}, ["fourth"]),
        ({"region": "0,30,100,40"}, []),
    ],
)
async def test_text_boxes_are_chosen(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[str]
) -> None:
    image = await get(api, "/v1/images", image_path="file:///one/0.png", **parameters)
    assert [box["text"] for box in image["text_boxes"]] == expected


async def test_boxes_that_the_worker_ordered_stay_as_they_are(api: httpx.AsyncClient) -> None:
    for order in ("reading", "stored"):
        image = await get(api, "/v1/images", image_path="file:///one/5.png", order=order)
        texts = [box["text"] for box in image["text_boxes"]]
        assert texts == ["second", "third", "first", "fourth"]


async def test_what_read_an_image_is_told(api: httpx.AsyncClient) -> None:
    image = await get(api, "/v1/images", image_path="file:///one/3.png")
    assert image["provenance"] == {
        "engine": "tesseract",
        "versions": {"ocrstream": "2"},
        "models": {},
        "device": "cpu",
        "boxes": "line",
        "width": 640,
        "height": None,
        "turn": 0,
        "skew": 0.0,
        "turned_lines": 0,
        "tiles": 1,
        "shrink": 1.0,
        "ordered": False,
        "warnings": [
            {"code": "small_text", "detail": "…"},
            {"code": "newer_than_we", "detail": "…"},
        ],
        "timings_s": {"recognise": 1.5},
        "reused": False,
        "attempt": 2,
    }
    image = await get(api, "/v1/images", image_path="file:///one/2.png")
    assert image["provenance"] is None
    found = await everything(api, "/v1/batches/one/images")
    warned = {one["index"]: one["warnings"] for one in found if one["warnings"]}
    assert warned == {
        1: ["low_confidence"],
        3: ["small_text", "newer_than_we"],
        5: ["low_confidence", "small_text"],
        7: ["unreadable_script"],
    }
    found = await everything(api, "/v1/ocr-executions")
    told = {one["image_path"]: (one["engine"], one["warnings"]) for one in found}
    assert told["file:///two/7.png"] == ("tesseract", ["unreadable_script"])
    assert told["file:///two/4.png"] == ("rapidocr", [])
    assert told["file:///two/8.png"] == (None, [])


async def test_a_result_that_another_chain_replaced_warns_of_nothing(
    api: httpx.AsyncClient, database_url: str
) -> None:
    result = ended("one", 1, None, "w")
    assert isinstance(result, OcrSucceeded)
    told = {"chain_id": "later", "task_id": "later", "submitted_at": at(86_400), "provenance": None}
    write(
        database_url,
        [msgspec.structs.replace(result, **told, batch_id="later")],
        DatabaseZone("UTC"),
    )
    found = await everything(api, "/v1/batches/one/images", warning="low_confidence")
    assert [image["index"] for image in found] == [5]


@pytest.mark.parametrize("region", ["", "1,2,3", "1,2,3,x", "5,0,1,9", "0,0,nan,1", "0,0,inf,1"])
async def test_regions_that_are_none_are_refused(api: httpx.AsyncClient, region: str) -> None:
    asked = {"image_path": "file:///one/0.png", "region": region}
    refused = await api.get("/v1/images", params=asked)
    assert refused.status_code == 422
    assert "left,top,right,bottom" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 27),
        ({"status": "success"}, 18),
        ({"status": "failed"}, 9),
        ({"reason": "not_found"}, 3),
        ({"chain_id": "two/3"}, 1),
        ({"engine": "rapidocr"}, 9),
        ({"engine": "tesseract"}, 12),
        ({"engine": "unknown"}, 6),
        ({"engine": "none of these"}, 0),
        ({"warning": "small_text"}, 6),
        ({"warning": "unreadable_script", "status": "failed"}, 3),
        ({"warning": "low_confidence", "engine": "rapidocr"}, 0),
    ],
)
async def test_results_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 4, 100):
        found = await everything(api, "/v1/ocr-executions", **parameters, limit=limit)
        assert len(found) == len({one["image_path"] for one in found}) == count
        for one in found:
            read = one["status"] == "success"
            assert one["text_box_count"] == (4 if read else 0)
            assert one["mean_confidence"] == (pytest.approx(0.775) if read else None)


@pytest.mark.parametrize("counted", [True, False], ids=["counted when written", "from before"])
async def test_stats_count_what_ended_in_each_bucket(
    api: httpx.AsyncClient, database_url: str, counted: bool
) -> None:
    if not counted:
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE ocr_executions SET text_box_count = NULL")
    asked = {"begin": NOON.isoformat(), "end": at(660).isoformat(), "bucket_s": 300}
    buckets = (await get(api, "/v1/stats", **asked))["items"]
    assert [one["begin"] for one in buckets] == [
        "2026-05-01T12:00:00Z",
        "2026-05-01T12:05:00Z",
        "2026-05-01T12:10:00Z",
    ]
    # Images 0 to 4; 5 to 8, of which three failed; 9, which was skipped at 600 s.
    counts = ("images", "completed_images", "failed_images", "revoked_images", "text_boxes")
    assert [tuple(one[name] for name in counts) for one in buckets] == [
        (15, 15, 0, 0, 60),
        (12, 3, 9, 0, 12),
        (3, 0, 0, 3, 0),
    ]
    assert buckets[1]["failed_by_reason"] == {"no_text": 6, "not_found": 3}
    empty = (await get(api, "/v1/stats", begin=at(-7200).isoformat(), end=NOON.isoformat()))[
        "items"
    ]
    assert [one["images"] for one in empty] == [0, 0]


@pytest.mark.parametrize(
    "asked",
    [
        {"begin": at(0).isoformat(), "end": at(0).isoformat()},
        {"begin": at(1).isoformat(), "end": at(0).isoformat()},
        {"begin": at(0).isoformat(), "end": at(1001).isoformat(), "bucket_s": 1},
        {"begin": "2026-01-01T00:00:00Z", "end": "2026-05-01T00:00:00Z", "bucket_s": 86400},
        {"begin": "0001-01-01T00:00:00Z"},
        {"begin": "2026-05-01T12:00:00"},
        {"begin": "1777636800"},
    ],
)
async def test_stats_are_bounded(api: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    refused = await api.get("/v1/stats", params=asked)
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


async def test_stats_where_an_hour_comes_twice(database_url: str) -> None:
    """In Berlin 02:00 to 03:00 is there twice on that morning; nothing may be lost or doubled."""
    zone = DatabaseZone("Europe/Berlin")
    begin = datetime(2026, 10, 25, 0, tzinfo=UTC)
    told = [
        OcrFailed(
            chain_id=f"c {quarter}",
            task_id=f"t {quarter}",
            submitted_at=begin,
            started_at=begin,
            image_path=f"file:///{quarter}.png",
            reason=Reason.NO_TEXT,
            error="no text",
            finished_at=begin + timedelta(minutes=15 * quarter),
        )
        for quarter in range(12)
    ]
    write(database_url, told, zone)
    async with read_api(database_url, zone) as api:
        asked = {"begin": begin.isoformat(), "end": (begin + timedelta(hours=3)).isoformat()}
        found = (await get(api, "/v1/stats", **asked))["items"]
    assert sum(one["images"] for one in found) == 12
    assert found[2]["images"] == 4
