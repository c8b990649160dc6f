"""Workers, dead letters, reprocessings, searches, troubles."""

import json
from typing import Any

import httpx
from scripted_client import (
    collect,
    row,
    scripted,
    settle,
)


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
    troubles = {"status": "trouble", "troubles": {"kafka": "away"}}
    reader, asked = scripted(
        kind, httpx.Response(503, json=troubles), httpx.Response(200, json={"troubles": {}})
    )
    assert await settle(reader.troubles("http://worker")) == {"kafka": "away"}
    assert await settle(reader.troubles("http://worker")) == {}
    assert len(asked) == 2
