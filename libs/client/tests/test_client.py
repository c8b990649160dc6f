"""The client against a scripted server."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocrstream_client.addresses import Addresses
from ocrstream_client.client import Client
from ocrstream_client.errors import Refused, Unreachable

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


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    return paused


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    addresses = Addresses("http://ingest", "http://recorder")
    return Client(addresses, transport=httpx.MockTransport(answer))


def scripted(*answers: Any) -> tuple[Client, list[httpx.Request]]:
    """Answers one after the other; an exception is raised."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return given

    return client(answer), asked


def test_references_go_in_groups_with_their_places() -> None:
    with (made := scripted(httpx.Response(202, json={})))[0] as submitter:
        advanced: list[int] = []
        references = [f"file:///{number}" for number in range(2500)]
        batch_id = submitter.submit_references(
            references, batch_name="n", on_progress=advanced.append
        )
    bodies = [json.loads(request.content) for request in made[1]]
    assert {body["batch_id"] for body in bodies} == {batch_id}
    assert {body["batch_total"] for body in bodies} == {2500}
    images = [image for body in bodies for image in body["images"]]
    assert [image["index"] for image in images] == list(range(2500))
    assert [image["image_path"] for image in images] == references
    assert advanced == [1000, 1000, 500]


def test_files_go_in_groups_with_their_places(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(60)]
    for file in files:
        file.write_bytes(b"pixels of " + file.name.encode())
    submitter, asked = scripted(httpx.Response(202, json={}))
    submitter.submit_files(files)
    first, second = (request.content for request in asked)
    assert first.count(b"pixels of") == 50
    assert b'name="first_index"\r\n\r\n50\r\n' in second
    assert b'name="batch_total"\r\n\r\n60\r\n' in second
    assert b"pixels of 59.png" in second


def test_what_is_away_for_a_moment_is_asked_again_with_the_same() -> None:
    submitter, asked = scripted(
        httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(202, json={})
    )
    submitter.submit_references(["file:///a"])
    assert len(asked) == 3
    assert len({request.content for request in asked}) == 1


def test_what_stays_away_is_unreachable() -> None:
    submitter, asked = scripted(httpx.ConnectError("refused"))
    with pytest.raises(Unreachable, match=r"http://ingest does not answer.*make status"):
        submitter.submit_references(["file:///a"])
    assert len(asked) == 4


def test_a_refusal_is_told_in_its_own_words_and_not_repeated() -> None:
    problem = {"title": "The request breaks its schema", "detail": "#/images/0: no URL"}
    submitter, asked = scripted(httpx.Response(422, json=problem))
    with pytest.raises(Refused, match="breaks its schema: #/images/0: no URL") as refused:
        submitter.submit_references(["a"])
    assert refused.value.status == 422
    assert len(asked) == 1


def test_an_answer_that_is_no_problem_document_is_told_by_its_status() -> None:
    reader, _ = scripted(httpx.Response(502, text="<html>"))
    with pytest.raises(Refused, match="502 Bad Gateway"):
        reader.batch("b")


def test_waits_through_ignorance_and_outage_to_the_end() -> None:
    reader, _ = scripted(
        httpx.Response(404, json={"title": "No such batch", "detail": "yet"}),
        httpx.ConnectError("refused"),
        httpx.Response(200, json=BATCH),
        httpx.Response(200, json={**BATCH, "status": "SUCCESS", "completed_images": 2}),
    )
    seen: list[int] = []
    ended = reader.wait("b", on_progress=lambda batch: seen.append(batch.completed_images))
    assert ended.ended
    assert seen == [1, 2]


def test_patience_with_a_batch_nobody_knows_ends() -> None:
    reader, _ = scripted(httpx.Response(404, json={"title": "No such batch", "detail": "b"}))
    with pytest.raises(Refused, match="No such batch"):
        reader.wait("b", patience_s=0)


def test_pages_are_followed_to_the_last() -> None:
    reader, asked = scripted(
        httpx.Response(200, json={"items": [{"index": 0}], "next_cursor": "c"}),
        httpx.Response(200, json={"items": [{"index": 1}], "next_cursor": None}),
    )
    assert [image["index"] for image in reader.images("b/ü")] == [0, 1]
    assert asked[0].url.raw_path.startswith(b"/v1/batches/b%2F%C3%BC/images?")
    assert asked[1].url.params["cursor"] == "c"
