"""Cancelling and retrying a batch, and waiting for the new run."""

import json
from collections.abc import Callable
from typing import Any

import httpx
from scripted_client import (
    BATCH,
    ENDED,
    client,
    row,
    scripted,
    settle,
)

from ocrstream_client import (
    BatchStatus,
)


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
