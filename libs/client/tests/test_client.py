"""One contract for both clients, threads' and asyncio's, against a scripted server."""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterable, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocrstream_client import (
    Addresses,
    AsyncClient,
    BatchStatus,
    Client,
    NotAllRead,
    NotEnded,
    NotSubmittable,
    Refused,
    Unreachable,
)

ADDRESSES = Addresses("http://ingest", "http://recorder")
BATCH: dict[str, Any] = {
    "batch_id": "b",
    "batch_name": None,
    "status": "RUNNING",
    "progress": 50.0,
    "total_known": True,
    "total_images": 2,
    "completed_images": 1,
    "failed_images": 0,
    "revoked_images": 0,
    "a_newer_field": 1,
}
ENDED = {**BATCH, "status": "SUCCESS", "completed_images": 2}
ACCEPTED = httpx.Response(
    202, json={"batch_id": "b", "accepted_images": 7, "images": [{} for _ in range(50)]}
)

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long he would have."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(asyncio, "sleep", pause)
    return pauses


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "asyncio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def settle(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def collect(items: Iterable[Any] | AsyncIterable[Any]) -> list[Any]:
    if isinstance(items, AsyncIterable):
        return [item async for item in items]
    return list(items)


def client(kind: Any, answer: Answer) -> Any:
    return kind(ADDRESSES, transport=httpx.MockTransport(answer))


def scripted(kind: Any, *answers: Any) -> tuple[Any, list[httpx.Request]]:
    """Answers one after the other, the last for ever; an exception is raised."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        # A response can be sent once only.
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    return client(kind, answer), asked


def row(index: int, **told: Any) -> dict[str, Any]:
    return {
        "image_path": f"file:///{index}.png",
        "public_path": None,
        "chain_id": f"c{index}",
        "index": index,
        "run": 1,
        "status": "SUCCESS",
        "reason": None,
        "error": None,
        "source_name": f"{index}.png",
        "page": None,
        **told,
    }


def recorder(*rows: dict[str, Any], status: dict[str, Any] = ENDED) -> Answer:
    """A batch of these images, told two at a time; each that was read says two lines."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/images":
            name = request.url.params["image_path"]
            corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
            box = {"confidence": 0.5, "bbox": corners}
            boxes = [{**box, "text": name}, {**box, "text": "and more"}]
            return httpx.Response(200, json={"text_boxes": boxes})
        if path.endswith("/images"):
            start = int(request.url.params.get("cursor", "0"))
            more = str(start + 2) if start + 2 < len(rows) else None
            page = {"items": rows[start : start + 2], "next_cursor": more}
            return httpx.Response(200, json=page)
        return httpx.Response(200, json=status)

    return answer


# ---- submitting ----------------------------------------------------------------------------------


async def test_references_go_in_groups_with_their_places(kind: Any) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    advanced: list[int] = []
    references = [f"s3://bucket/{number}.png" for number in range(2500)]
    batch = await settle(submitter.submit(references, batch_name="n", on_progress=advanced.append))
    bodies = [json.loads(request.content) for request in asked]
    assert {body["batch_id"] for body in bodies} == {batch.batch_id}
    assert {(body["batch_total"], body["batch_name"]) for body in bodies} == {(2500, "n")}
    images = [image for body in bodies for image in body["images"]]
    assert [image["index"] for image in images] == list(range(2500))
    assert [image["image_path"] for image in images] == references
    assert advanced == [1000, 1000, 500]


async def test_files_go_in_groups_with_their_places(kind: Any, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.png").write_bytes(f"pixels of {number:02}".encode())
    last = httpx.Response(202, json={"images": [{} for _ in range(10)]})
    submitter, asked = scripted(kind, ACCEPTED, last)
    await settle(submitter.submit([tmp_path, "https://host/60.png"]))
    assert [request.url.path for request in asked] == ["/v1/images", "/v1/images", "/v1/batches"]
    first, second = (request.content for request in asked[:2])
    assert first.count(b"pixels of") == 50
    assert b'name="first_index"\r\n\r\n50\r\n' in second
    assert b'name="batch_total"\r\n\r\n61\r\n' in second
    assert b"pixels of 59" in second
    told = json.loads(asked[2].content)
    assert told["images"] == [{"image_path": "https://host/60.png", "index": 60}]


@pytest.mark.parametrize(
    ("name", "prefix", "pattern"),
    [
        ("s3://bucket/scans/", "s3://bucket/scans/", "*"),
        ("s3://bucket/scans/*.png", "s3://bucket/scans/", "*.png"),
        ("s3://bucket/20??/05/*.png", "s3://bucket/", "20??/05/*.png"),
        ("file:///data/", "file:///data/", "*"),
    ],
)
async def test_what_a_store_holds_is_listed_by_the_service(
    kind: Any, name: str, prefix: str, pattern: str
) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    advanced: list[int] = []
    batch = await settle(
        submitter.submit(name, options={"lane": "urgent"}, on_progress=advanced.append)
    )
    assert json.loads(asked[0].content) == {
        "batch_id": batch.batch_id,
        "prefix": prefix,
        "glob": pattern,
        "options": {"lane": "urgent"},
    }
    assert advanced == [7]


@pytest.mark.parametrize(
    "names", [[], ["s3://b/a/", "s3://b/c.png"], "s3://*/a.png", "/no/such/file"]
)
async def test_what_cannot_be_submitted_is_refused_before_anything_is_sent(
    kind: Any, names: Any
) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    with pytest.raises(NotSubmittable):
        await settle(submitter.submit(names))
    assert asked == []


async def test_pages_of_documents_count_in_places_and_total(kind: Any, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.pdf").write_bytes(b"pages")
    first = httpx.Response(202, json={"images": [{} for _ in range(53)]})
    last = httpx.Response(202, json={"images": [{} for _ in range(10)]})
    submitter, asked = scripted(kind, first, last)
    await settle(submitter.submit([tmp_path, "https://host/60.png"], options={"lane": "gpu"}))
    assert b'name="batch_total"\r\n\r\n61\r\n' in asked[0].content
    assert b'name="options"\r\n\r\n{"lane": "gpu"}\r\n' in asked[0].content
    assert b'name="index_pages"\r\n\r\ntrue\r\n' in asked[0].content
    assert b'name="first_index"\r\n\r\n53\r\n' in asked[1].content
    assert b'name="batch_total"\r\n\r\n64\r\n' in asked[1].content
    told = json.loads(asked[2].content)
    assert (told["batch_total"], told["images"][0]["index"]) == (64, 63)


async def test_what_is_away_for_a_moment_is_asked_again_under_the_same_key(
    kind: Any, paused: list[float]
) -> None:
    submitter, asked = scripted(
        kind,
        httpx.ConnectError("refused"),
        httpx.Response(503, headers={"Retry-After": "7"}),
        httpx.ReadTimeout("slow"),
        ACCEPTED,
    )
    await settle(submitter.submit("s3://b/a.png"))
    assert len(asked) == 4
    assert len({request.content for request in asked}) == 1
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
    assert paused == [1, 7, 4]
    await settle(submitter.submit("s3://b/a.png"))
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 2


async def test_an_upload_is_repeated_whole(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels" * 20_000)
    submitter, asked = scripted(kind, httpx.Response(503), ACCEPTED)
    await settle(submitter.submit(tmp_path))
    assert [request.content.count(b"pixels") for request in asked] == [20_000, 20_000]


async def test_what_stays_away_is_unreachable(kind: Any) -> None:
    submitter, asked = scripted(kind, httpx.ConnectError("refused"))
    with pytest.raises(Unreachable, match=r"http://ingest does not answer.*ocrstream doctor"):
        await settle(submitter.submit("s3://b/a.png"))
    assert len(asked) == 5


async def test_a_refusal_is_told_in_its_own_words_and_not_repeated(kind: Any) -> None:
    problem = {"title": "The request breaks its schema", "detail": "#/images/0: no URL"}
    submitter, asked = scripted(kind, httpx.Response(422, json=problem))
    with pytest.raises(Refused, match="breaks its schema: #/images/0: no URL") as refused:
        await settle(submitter.submit("s3://b/a.png"))
    assert refused.value.status == 422
    assert len(asked) == 1


# ---- waiting and reading -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500, text="<html>"), "500 Internal Server Error"),
        (httpx.Response(200, text="<html>"), "is it Ocrstream's address"),
    ],
)
async def test_an_answer_that_is_no_json_is_told_by_its_status(
    kind: Any, answer: httpx.Response, said: str
) -> None:
    reader, _ = scripted(kind, answer)
    with pytest.raises(Refused, match=said):
        await settle(reader.batch("b").status())


async def test_waits_through_ignorance_and_outage_to_the_end(kind: Any) -> None:
    reader, _ = scripted(
        kind,
        httpx.Response(404, json={"title": "No such batch", "detail": "yet"}),
        httpx.ConnectError("refused"),
        httpx.Response(200, json=BATCH),
        httpx.Response(200, json=ENDED),
    )
    seen: list[BatchStatus] = []
    ended = await settle(reader.batch("b").wait(on_progress=seen.append))
    assert ended.ended
    assert [batch.completed_images for batch in seen] == [1, 2]


async def test_a_wait_ends_in_time_and_tells_how_far_it_came(kind: Any) -> None:
    reader, _ = scripted(kind, httpx.Response(200, json=BATCH))
    with pytest.raises(NotEnded, match="within 0 s: 50 % are done") as not_ended:
        await settle(reader.batch("b").wait(0))
    assert not_ended.value.batch.completed_images == 1
    with pytest.raises(TimeoutError):
        await settle(reader.batch("b").get(timeout=0))


async def test_patience_with_a_batch_nobody_knows_ends(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, asked = scripted(
        kind, httpx.Response(404, json={"title": "No such batch", "detail": "b"})
    )
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(Refused, match="No such batch"):
        await settle(reader.batch("b").wait())
    assert len(asked) > 10


async def test_pages_are_followed_to_the_last_and_images_say_what_they_hold(kind: Any) -> None:
    failed = row(2, status="FAILURE", reason="undecodable", error="no pixels")
    reader = client(kind, recorder(row(0), row(1), failed))
    images = await collect(reader.batch("b").images())
    assert [image.index for image in images] == [0, 1, 2]
    assert images[0].text == "file:///0.png\nand more"
    assert (images[2].read, images[2].reason, images[2].boxes) == (False, "undecodable", ())
    assert [image.boxes for image in await collect(reader.batch("b").images(boxes=False))] == [
        (),
        (),
        (),
    ]


async def test_get_gives_all_images_or_says_which_were_not_read(kind: Any) -> None:
    whole = client(kind, recorder(row(0), row(1), row(2)))
    assert [image.read for image in await settle(whole.batch("b").get(timeout=5))] == [True] * 3
    partly = client(kind, recorder(row(0), row(1, status="FAILURE", reason="engine", error="died")))
    with pytest.raises(NotAllRead, match=r"1 of 2 images.*1\.png: engine: died") as not_read:
        await settle(partly.batch("b").get())
    assert [image.read for image in not_read.value.images] == [True, False]
    told = await settle(partly.batch("b").get(propagate=False))
    assert [image.status for image in told] == ["SUCCESS", "FAILURE"]


async def test_a_batchs_id_may_be_any_text(kind: Any) -> None:
    reader, asked = scripted(kind, httpx.Response(200, json=BATCH))
    await settle(reader.batch("b/ü").status())
    assert asked[0].url.raw_path == b"/v1/batches/b%2F%C3%BC"


# ---- changing ------------------------------------------------------------------------------------


async def test_cancel_and_retry_are_posted_to_ingest(kind: Any) -> None:
    changer, asked = scripted(
        kind, httpx.Response(503), httpx.Response(202, json={}), httpx.Response(200, json=ENDED)
    )
    await settle(changer.batch("b").cancel())
    await settle(changer.batch("b").retry(include_no_text=True))
    assert [(request.method, str(request.url)) for request in asked] == [
        ("POST", "http://ingest/v1/batches/b/cancel"),
        ("POST", "http://ingest/v1/batches/b/cancel"),
        ("GET", "http://recorder/v1/batches/b"),
        ("POST", "http://ingest/v1/batches/b/retry"),
    ]
    assert json.loads(asked[3].content) == {"include_no_text": True}
    first, again, _, other = (request.headers.get("Idempotency-Key") for request in asked)
    assert first == again != other


class Retried:
    """A batch of which images are read again once somebody asked for it, a look at a time."""

    def __init__(self, *images: dict[str, Any], status: str = "FAILURE") -> None:
        self.images = list(images)
        self.status = status
        self.posted = False
        self.moves: list[Callable[[], None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            self.posted = True
            return httpx.Response(202, json={})
        if path.endswith("/images"):
            return httpx.Response(200, json={"items": self.images, "next_cursor": None})
        if path.startswith("/v1/chains/"):
            (image,) = (one for one in self.images if path.endswith(one["chain_id"]))
            return httpx.Response(200, json=image)
        if self.posted and self.moves:
            self.moves.pop(0)()
        failed = sum(image["status"] != "SUCCESS" for image in self.images)
        told = {**BATCH, "status": self.status, "failed_images": failed}
        return httpx.Response(200, json=told)

    def set(self, place: int, status: str, run: int = 2) -> Callable[[], None]:
        """Does so when the batch is looked at."""

        def do() -> None:
            self.images[place] |= {"status": status, "run": run}

        return do

    def end(self, status: str) -> Callable[[], None]:
        """Does so when the batch is looked at."""

        def do() -> None:
            self.status = status

        return do


async def test_after_a_retry_the_end_of_the_new_run_is_waited_for(kind: Any) -> None:
    server = Retried(
        row(0, status="FAILURE", reason="engine"),
        row(1),
        row(2, status="FAILURE", reason="no_text"),
        row(3, status="REVOKED", reason="revoked", run=3),
        row(4, status="FAILURE", reason="dead_lettered", image_path=None),
    )
    # Between the two that are retried the batch seems to have ended once more.
    server.moves = [
        lambda: None,
        server.set(0, "PENDING"),
        server.end("RUNNING"),
        server.set(0, "SUCCESS"),
        server.end("FAILURE"),
        server.set(3, "PENDING", 4),
        server.end("RUNNING"),
        server.set(3, "SUCCESS", 4),
        server.end("FAILURE"),
    ]
    batch = client(kind, server).batch("b")
    await settle(batch.retry())
    told: list[str] = []

    def note(seen: BatchStatus) -> None:
        told.append(seen.status)

    ended = await settle(batch.wait(on_progress=note))
    assert server.moves == []
    assert (ended.status, ended.failed_images) == ("FAILURE", 2)
    # The old end is nobody's progress.
    assert told[0] == "RUNNING"
    # What was waited for once is not waited for again.
    assert (await settle(batch.wait())).status == "FAILURE"


async def test_a_cancelled_batch_s_images_are_waited_for_in_whatever_state(kind: Any) -> None:
    server = Retried(row(0, status="PENDING"), row(1), status="REVOKED")
    server.moves = [lambda: None, server.set(0, "PENDING"), server.end("RUNNING")]
    server.moves += [server.set(0, "SUCCESS"), server.end("SUCCESS")]
    batch = client(kind, server).batch("b")
    await settle(batch.retry())
    assert (await settle(batch.wait())).status == "SUCCESS"


async def test_nothing_to_retry_is_not_waited_for(kind: Any) -> None:
    server = Retried(row(0), row(1, status="FAILURE", reason="no_text"))
    batch = client(kind, server).batch("b")
    await settle(batch.retry())
    assert server.posted
    assert (await settle(batch.wait())).status == "FAILURE"


async def test_one_that_succeeded_before_it_could_be_retried_is_not_waited_for(kind: Any) -> None:
    server = Retried(row(0, status="FAILURE", reason="engine"))
    server.moves = [server.set(0, "SUCCESS", 1), server.end("SUCCESS")]
    batch = client(kind, server).batch("b")
    await settle(batch.retry())
    assert (await settle(batch.wait())).status == "SUCCESS"


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


REREAD: dict[str, Any] = {
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


async def test_a_reread_is_asked_for_once_and_waited_for(kind: Any) -> None:
    asker, asked = scripted(kind, httpx.Response(503), httpx.Response(202, json=REREAD))
    told = await settle(asker.reread("b", where="confidence < 0.8", lane="gpu"))
    first, again = (json.loads(request.content) for request in asked)
    assert first == again
    assert first.pop("request_id")
    assert first == {"batch_id": "b", "where": "confidence < 0.8", "lane": "gpu"}
    assert (told.done_images, told.ended) == (1, False)
    seen: list[Any] = []
    waiter, asked = scripted(
        kind,
        httpx.Response(200, json=REREAD),
        httpx.ConnectError("away", request=httpx.Request("GET", "http://recorder")),
        httpx.Response(200, json={**REREAD, "state": "sent", "images": 2}),
        httpx.Response(200, json={**REREAD, "state": "sent", "images": 2, "failed_images": 1}),
    )
    told = await settle(waiter.wait_reread("r/1", on_progress=seen.append))
    assert (told.ended, told.failed_images, len(seen), len(asked)) == (True, 1, 3, 4)
    assert asked[0].url.raw_path == b"/v1/rereads/r%2F1"


async def test_what_a_reread_would_be_is_counted(kind: Any) -> None:
    asker, asked = scripted(kind, httpx.Response(200, json={"images": 3, "boxes": 40}))
    told = await settle(asker.count_reread(None, where="boxes = 0"))
    assert (told.images, told.boxes) == (3, 40)
    assert asked[0].url.path == "/v1/rereads/count"
    assert json.loads(asked[0].content) == {"all": True, "where": "boxes = 0"}


async def test_readings_are_old_and_new(kind: Any) -> None:
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
    first, second = await collect(reader.readings(batch_id="b"))
    assert (first.old.text, first.old.confidence, first.old.read) == ("one\ntwo", 0.75, True)
    assert (first.new.text, first.new.confidence, first.new.read) == ("", None, False)
    assert second.new is None
    assert await collect(reader.readings(image_path="file:///0.png"))
    assert [request.url.path for request in asked] == ["/v1/batches/b/readings", "/v1/readings"]
    assert asked[1].url.params["image_path"] == "file:///0.png"


# ---- searching -----------------------------------------------------------------------------------


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
