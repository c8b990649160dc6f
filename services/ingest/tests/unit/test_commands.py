"""Cancel and retry, with a recorder of the test's own."""

import json
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import httpx
import pytest
from fake_publisher import FakePublisher
from full_disk import Disk, key_files, refused_for_room
from serving import serving

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health
from ocrstream_schemas.events import BatchRetryRequested, BatchRevoked


class _Recorder(BaseHTTPRequestHandler):
    answers: ClassVar = {"/v1/batches/b": (200, {"run": 3}), "/v1/batches/broken": (500, {})}

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, {}))
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def recorder_url() -> Generator[str]:
    with serving(HTTPServer(("127.0.0.1", 0), _Recorder)) as url:
        yield url


async def cancel(
    settings: IngestSettings, publisher: FakePublisher, url: str, batch_id: str, **headers: str
) -> httpx.Response:
    told = settings.model_copy(update={"recorder_url": url})
    transport = httpx.ASGITransport(create_api(create_dependencies(told, publisher), Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as api:
        path, body = f"/v1/batches/{batch_id}/cancel", {"initiated_by": "me"}
        return await api.post(path, json=body, headers=headers)


async def test_a_cancel_names_the_run_that_the_recorder_tells(
    settings: IngestSettings, publisher: FakePublisher, recorder_url: str
) -> None:
    answer = await cancel(settings, publisher, recorder_url, "b")
    assert answer.status_code == 202, answer.text
    (event,) = publisher.commands
    assert isinstance(event, BatchRevoked)
    assert (event.batch_id, event.run, event.initiated_by) == ("b", 3, "me")
    assert answer.json()["run"] == 3
    assert answer.json()["links"]["batch"] == f"{recorder_url}/v1/batches/b"


@pytest.mark.parametrize(("batch_id", "status"), [("unknown", 404), ("broken", 503)])
async def test_without_a_run_nothing_is_cancelled(
    settings: IngestSettings,
    publisher: FakePublisher,
    recorder_url: str,
    batch_id: str,
    status: int,
) -> None:
    answer = await cancel(settings, publisher, recorder_url, batch_id)
    assert answer.status_code == status
    assert not publisher.commands


async def test_on_a_full_disk_nothing_is_cancelled(
    settings: IngestSettings, publisher: FakePublisher, recorder_url: str, disk: Disk
) -> None:
    key = {"Idempotency-Key": "k"}
    await cancel(settings, publisher, recorder_url, "unknown")
    disk.full = True
    refused_for_room(await cancel(settings, publisher, recorder_url, "b", **key))
    assert not publisher.commands
    assert not key_files(settings.object_root)
    disk.full = False
    assert (await cancel(settings, publisher, recorder_url, "b", **key)).status_code == 202


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1"])
async def test_without_a_recorder_it_says_what_to_do(
    settings: IngestSettings, publisher: FakePublisher, url: str
) -> None:
    answer = await cancel(settings, publisher, url, "b")
    assert answer.status_code == 503
    assert "BatchRevoked" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert not publisher.commands


async def test_each_retry_is_a_request_of_its_own(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    first = await api.post("/v1/batches/b/retry")
    second = await api.post("/v1/batches/b/retry", json={"include_no_text": True})
    third = await api.post("/v1/batches/b/retry", json={"include_no_text": None})
    assert first.status_code == second.status_code == third.status_code == 202
    events = publisher.commands
    assert all(isinstance(event, BatchRetryRequested) for event in events)
    told = [getattr(event, "include_no_text", None) for event in events]
    assert told == [False, True, False]
    ids = [getattr(event, "request_id", None) for event in events]
    assert ids == [answer.json()["request_id"] for answer in (first, second, third)]
    assert len(set(ids)) == 3


async def test_a_retry_that_cannot_be_read_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    for body in (
        {"typo": 1},
        {"include_no_text": "yes"},
        {"include_no_text": 1},
        [],
        {"initiated_by": "x" * 101},
    ):
        assert (await api.post("/v1/batches/b/retry", json=body)).status_code == 422
    assert not publisher.commands
