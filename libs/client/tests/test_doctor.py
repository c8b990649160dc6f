"""What the doctor holds to, and what it makes of answers that are no broker's."""

import socket
import threading
from collections.abc import Generator
from functools import partial
from typing import Any

import httpx
import pytest

from ocrstream_client import Client
from ocrstream_client.doctor import TOPICS, Finding, examine
from ocrstream_client.kafka_metadata import list_topics
from ocrstream_schemas.topics import DEAD_LETTER_SUFFIX, LANES, lane_topic
from ocrstream_schemas.topics import TOPICS as SPECS


@pytest.fixture
def answering() -> Generator[dict[str, bytes]]:
    """A server that answers whatever is sent with `answer`; its address is `at`."""
    told: dict[str, bytes] = {"answer": b""}
    with socket.create_server(("127.0.0.1", 0)) as server:
        told["at"] = f"127.0.0.1:{server.getsockname()[1]}".encode()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(told["answer"])

        thread = threading.Thread(target=serve)
        thread.start()
        yield told
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\0\0\0\4\0\0\0\1",
        b"\0\0\0\x10" + b"\0" * 8 + b"\x7f\xff\xff\xff" + b"\0" * 4,
    ],
)
def test_what_is_no_broker_is_told_and_not_waited_for(
    answering: dict[str, bytes], answer: bytes
) -> None:
    answering["answer"] = answer
    with pytest.raises((OSError, ValueError)):
        list_topics(answering["at"].decode(), 5)


def test_the_topics_it_looks_for_are_those_of_the_contract() -> None:
    lanes = {lane_topic(lane) for lane in LANES}
    assert {name for name in SPECS if not name.endswith(DEAD_LETTER_SUFFIX)} - lanes == TOPICS


def test_with_nothing_set_it_says_what_to_set() -> None:
    found = {finding.part: finding for finding in examine({})}
    assert (found["ingest"].state, found["recorder"].state) == ("trouble", "trouble")
    assert "set INGEST_URL" in str(found["ingest"].cure)
    others = ("broker", "object store", "recording", "workers")
    assert {found[part].state for part in others} == {"unknown"}


LETTER: dict[str, Any] = {
    **dict.fromkeys(["partition", "offset", "redrives"], 0),
    **dict.fromkeys(["timestamp", "created_at", "updated_at"], "2026-05-01T12:00:00Z"),
    **dict.fromkeys(["chain_id", "batch_id"]),
    "id": 7,
    "state": "open",
    "topic": "ocr.results",
    "reason": "invalid",
    "error": "no index",
}
SETTINGS = {
    "INGEST_URL": "http://ocrstream-ingest",
    "RECORDER_URL": "http://ocrstream-recorder-api",
    "RECORDING_URLS": "http://ocrstream-recorder",
    "WORKER_URLS": "http://ocrstream-worker",
}


def examined(monkeypatch: pytest.MonkeyPatch, letters: int, **settings: str) -> dict[str, Finding]:
    """What the doctor finds where each service is called like its host, by part."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            ready = {"service": request.url.host, "checks": ["kafka"], "troubles": {}}
            return httpx.Response(200, json=ready)
        items = [LETTER] * letters if request.url.path == "/v1/dead-letters" else []
        return httpx.Response(200, json={"items": items, "next_cursor": None})

    scripted = partial(Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr("ocrstream_client.doctor.Client", scripted)
    return {finding.part: finding for finding in examine({**SETTINGS, **settings})}


def test_each_service_is_compared_with_what_it_calls_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = examined(monkeypatch, 0)
    for part in ("ingest", "object store", "recorder", "recording", "worker", "dead letters"):
        assert found[part].state == "ok", part
    assert found["ingest"].detail == "http://ocrstream-ingest (kafka)"


@pytest.mark.parametrize(
    ("part", "variable"),
    [
        ("ingest", "INGEST_URL"),
        ("recorder", "RECORDER_URL"),
        ("recording", "RECORDING_URLS"),
        ("worker", "WORKER_URLS"),
    ],
)
def test_the_address_of_another_service_is_trouble(
    monkeypatch: pytest.MonkeyPatch, part: str, variable: str
) -> None:
    found = examined(monkeypatch, 0, **{variable: "http://another"})
    assert found[part].state == "trouble"
    assert "http://another is another, not ocrstream-" in found[part].detail
    assert f"set {variable} to the address of ocrstream-" in str(found[part].cure)
    assert found[part].unreachable == (part in {"ingest", "recorder"})
    if part == "ingest":
        assert found["object store"].state == "unknown"


@pytest.mark.parametrize(("letters", "count"), [(3, "3 open"), (101, "more than 100 open")])
def test_open_dead_letters_are_told(
    monkeypatch: pytest.MonkeyPatch, letters: int, count: str
) -> None:
    found = examined(monkeypatch, letters)["dead letters"]
    assert (found.state, found.detail) == (
        "trouble",
        f"{count}; the newest, 7, from ocr.results: invalid: no index",
    )
    assert "ocrstream dlq list" in str(found.cure)
