"""Workers, dead letters, reprocessings, searches, troubles."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from scripted_client import (
    BATCH,
    collect,
    row,
    scripted,
    settle,
)

from ocrstream_client import RefusedError


async def test_workers_are_listed(kind: Any) -> None:
    told = {
        **dict.fromkeys(("worker", "host", "engine", "device"), "w"),
        **dict.fromkeys(("images_in_flight", "images_done", "images_per_s"), 1),
        **dict.fromkeys(("started_at", "last_seen_at"), "2026-05-01T12:00:00Z"),
        "versions": {},
        "lanes": ["default"],
    }
    states = {
        "ready": {"alive": True, "ready": True, "stopped": False},
        "not ready": {"alive": True, "ready": False, "stopped": False},
        "silent": {"alive": False, "ready": False, "stopped": False},
        "stopped": {"alive": False, "ready": False, "stopped": True},
    }
    items = [{**told, **state, "newer_field": 1} for state in states.values()]
    reader, asked = scripted(kind, httpx.Response(200, json={"items": items, "next_cursor": None}))
    assert [worker.state for worker in await settle(reader.workers())] == list(states)
    assert str(asked[0].url) == "http://recorder/v1/workers"


async def test_dead_letters_are_listed_and_changed_in_groups(kind: Any) -> None:
    fields = "id state topic partition offset timestamp reason error chain_id batch_id redrives"
    letter = dict.fromkeys([*fields.split(), "created_at", "updated_at"])
    reader, asked = scripted(
        kind, httpx.Response(200, json={"items": [letter], "next_cursor": None})
    )
    assert len(await collect(reader.dead_letters(state="open"))) == 1
    assert dict(asked[0].url.params) == {"limit": "200", "state": "open"}
    changer, asked = scripted(
        kind, httpx.Response(200, json={"failures": [{"id": 7, "detail": "gone"}]})
    )
    failures = await settle(changer.redrive(list(range(150))))
    assert [len(json.loads(request.content)["ids"]) for request in asked] == [100, 50]
    assert [failure.id for failure in failures] == [7, 7]
    await settle(changer.drop([7]))
    assert asked[-1].url.path == "/v1/dead-letters/drop"


REPROCESSING: dict[str, Any] = {
    "request_id": "r",
    "batch_id": "b",
    "where": "confidence < 0.8",
    "lane": "gpu",
    "state": "sending",
    "requested_at": "2026-05-01T12:00:00Z",
    "images": 1,
    "boxes": 2,
    "read_images": 1,
    "failed_images": 0,
    "a_newer_field": 1,
}


async def test_a_reprocessing_is_asked_for_once_and_waited_for(kind: Any) -> None:
    asker, asked = scripted(kind, httpx.Response(503), httpx.Response(202, json=REPROCESSING))
    told = await settle(asker.reprocess("b", where="confidence < 0.8", lane="gpu"))
    first, again = (json.loads(request.content) for request in asked)
    assert first == again
    assert first.pop("request_id")
    assert first == {"batch_id": "b", "where": "confidence < 0.8", "lane": "gpu"}
    assert (told.done_images, told.ended) == (1, False)
    seen: list[Any] = []
    waiter, asked = scripted(
        kind,
        httpx.Response(200, json=REPROCESSING),
        httpx.ConnectError("away", request=httpx.Request("GET", "http://recorder")),
        httpx.Response(200, json={**REPROCESSING, "state": "sent", "images": 2}),
        httpx.Response(
            200, json={**REPROCESSING, "state": "sent", "images": 2, "failed_images": 1}
        ),
    )
    told = await settle(waiter.wait_reprocessing("r/1", on_progress=seen.append))
    assert (told.ended, told.failed_images, len(seen), len(asked)) == (True, 1, 3, 4)
    assert asked[0].url.raw_path == b"/v1/reprocessings/r%2F1"


async def test_what_a_reprocessing_would_be_is_counted(kind: Any) -> None:
    asker, asked = scripted(kind, httpx.Response(200, json={"images": 3, "boxes": 40}))
    told = await settle(asker.count_reprocessing(None, where="boxes = 0"))
    assert (told.images, told.boxes) == (3, 40)
    assert asked[0].url.path == "/v1/reprocessings/count"
    assert json.loads(asked[0].content) == {"all": True, "where": "boxes = 0"}


async def test_result_versions_are_old_and_new(kind: Any) -> None:
    boxes = [
        {"text": "one", "confidence": 0.5, "bbox": []},
        {"text": "two", "confidence": 1.0, "bbox": []},
    ]
    old = dict.fromkeys(["chain_id", "run", "reason", "error", "submitted_at"])
    old |= {"status": "success", "text_boxes": boxes}
    failed = {**old, "status": "failed", "text_boxes": []}
    pair: dict[str, Any] = dict.fromkeys(
        ["image_path", "index", "source_name", "page", "request_id", "requested_at"]
    )
    items = [{**pair, "old": old, "new": failed}, {**pair, "old": old, "new": None}]
    reader, asked = scripted(kind, httpx.Response(200, json={"items": items, "next_cursor": None}))
    first, second = await collect(reader.result_versions(batch_id="b"))
    assert (first.old.text, first.old.confidence, first.old.read) == ("one\ntwo", 0.75, True)
    assert (first.new.text, first.new.confidence, first.new.read) == ("", None, False)
    assert second.new is None
    assert await collect(reader.result_versions(image_path="file:///0.png"))
    assert [request.url.path for request in asked] == [
        "/v1/batches/b/result-versions",
        "/v1/result-versions",
    ]
    assert asked[1].url.params["image_path"] == "file:///0.png"


async def test_a_search_goes_on_over_short_pages_and_tells_that_it_is_behind(kind: Any) -> None:
    box = {"text": "Total 7 %", "confidence": 0.5, "bbox": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    hit = {**row(1), "batch_id": "b", "text_boxes": [box]}

    def page(cursor: str | None, waiting: int, *items: Any) -> httpx.Response:
        index = {"waiting_images": waiting, "oldest_waiting_s": 1.5}
        return httpx.Response(200, json={"items": items, "next_cursor": cursor, "index": index})

    reader, asked = scripted(kind, page("x", 3, hit), page("y", 0), page(None, 2, hit))
    behind: list[int] = []
    found = await collect(
        reader.search(
            "7 %", words=True, batch_id="b/ü", min_confidence=0.25, on_behind=behind.append
        )
    )
    assert [(one.image_path, one.boxes[0].text) for one in found] == [
        ("file:///1.png", "Total 7 %")
    ] * 2
    assert behind == [3, 2]
    assert {request.url.path for request in asked} == {"/v1/search"}
    given = {"q": "7 %", "limit": "50", "mode": "word", "batch_id": "b/ü", "min_confidence": "0.25"}
    assert dict(asked[0].url.params) == given
    assert [request.url.params.get("cursor") for request in asked] == [None, "x", "y"]


async def test_a_service_tells_its_troubles(kind: Any) -> None:
    unready = {"service": "s", "checks": ["kafka", "engine"], "troubles": {"kafka": "away"}}
    older = {"status": "ok", "troubles": {}}
    reader, asked = scripted(
        kind, httpx.Response(503, json=unready), httpx.Response(200, json=older)
    )
    told = await settle(reader.readiness("http://worker"))
    assert (told.service, told.checks) == ("s", ("kafka", "engine"))
    assert told.troubles == {"kafka": "away"}
    told = await settle(reader.readiness("http://worker"))
    assert (told.service, told.checks, told.troubles) == (None, (), {})
    assert len(asked) == 2


@pytest.mark.parametrize("document", [[], {"troubles": 7}, {"status": "ok"}, "ok"])
async def test_what_is_no_service_is_said_to_be_none(kind: Any, document: Any) -> None:
    reader, _ = scripted(kind, httpx.Response(200, json=document))
    with pytest.raises(RefusedError, match="http://worker is not a service of Ocrstream"):
        await settle(reader.readiness("http://worker"))


async def test_batches_are_listed(kind: Any) -> None:
    page = {"items": [BATCH], "next_cursor": None}
    reader, asked = scripted(
        kind,
        httpx.Response(200, json={**page, "next_cursor": "x"}),
        httpx.Response(200, json=page),
    )
    since = datetime(2026, 5, 1, tzinfo=UTC)
    found = await collect(reader.batches(status="RUNNING", started_from=since))
    assert [batch.batch_id for batch in found] == ["b", "b"]
    given = {"limit": "200", "status": "RUNNING", "started_from": since.isoformat()}
    assert dict(asked[0].url.params) == given
    assert dict(asked[1].url.params) == {**given, "cursor": "x"}


async def test_failures_are_told_by_reason(kind: Any) -> None:
    failed = row(1, status="FAILURE", reason="no_text")
    group = {"status": "FAILURE", "reason": "no_text", "images": 7, "examples": [failed]}
    reader, asked = scripted(kind, httpx.Response(200, json={"items": [group]}))
    (told,) = await settle(reader.batch("b/1").failures(examples=1))
    assert (told.reason, told.images, told.examples[0].index) == ("no_text", 7, 1)
    assert asked[0].url.raw_path == b"/v1/batches/b%2F1/failures?examples=1"


@pytest.mark.parametrize("status", [404, 405])
async def test_an_answer_that_says_nothing_is_told_with_its_url(kind: Any, status: int) -> None:
    problem = {"title": "Not Found", "detail": "Not Found"}
    reader, _ = scripted(kind, httpx.Response(status, json=problem))
    with pytest.raises(RefusedError, match=r"http://recorder/v1/workers answered 40.*address\?"):
        await settle(reader.workers())
