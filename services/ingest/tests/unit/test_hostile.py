"""Requests that want to break out, hold on or fill up."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from fake_publisher import FakePublisher
from fastapi import Request
from pydantic import ValidationError

from ocrstream_ingest.request_body import BodyLimits, read_chunks
from ocrstream_ingest.settings import IngestSettings

FILE = [("files", ("a.png", b"content"))]


def files_beneath(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "batch_id",
    [
        "..",
        ".",
        "../../etc",
        "/etc",
        "a/b",
        "~" + "0" * 40,
        ".incoming",
        ".idempotency",
        "ü" * 255,
        "-",
        "a" * 64,
        "a" * 65,
        "a\n",
        "con",
        "%2e%2e",
    ],
)
async def test_no_batch_id_leads_out_of_its_own_folder(
    api: httpx.AsyncClient, publisher: FakePublisher, settings: IngestSettings, batch_id: str
) -> None:
    answer = await api.post("/v1/images", files=FILE, data={"batch_id": batch_id})
    assert answer.status_code == 202, answer.text
    path = Path(unquote(urlsplit(publisher.images[0].image_path).path))
    assert path.parent.parent == settings.object_root.resolve()
    assert not path.parent.name.startswith(".")
    assert len(publisher.images[0].image_path) <= 255
    assert files_beneath(settings.object_root) == [path]


async def test_no_two_batch_ids_have_one_folder(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    names = ["a", "A", "a/b", "a_b", "a ", "ä", "~a"]
    for name in names:
        assert (
            await api.post("/v1/images", files=FILE, data={"batch_id": name})
        ).status_code == 202
    assert len({image.image_path for image in publisher.images}) == len(names)


async def test_equal_files_of_one_request_are_different_images(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    answer = await api.post("/v1/images", files=FILE * 3, data={"batch_id": "b"})
    assert answer.json()["total_images"] == 3
    assert len({image.image_path for image in publisher.images}) == 3
    assert len({image.chain_id for image in publisher.images}) == 3


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=b"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nno name\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\ncut off',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nno file\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="batch_id"\r\n\r\n\xff\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\nX: " + b"y" * 100_000, "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=" + "b" * 5000),
    ],
)
async def test_a_broken_form_is_refused_and_nothing_stays(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    body: bytes,
    content_type: str,
) -> None:
    answer = await api.post("/v1/images", content=body, headers={"content-type": content_type})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not publisher.images
    assert not files_beneath(settings.object_root)


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({"batch_id": ""}, "#/batch_id"),
        ({"batch_id": "a\0"}, "#/batch_id"),
        ({"first_index": "-1"}, "#/first_index"),
        ({"typo": "1"}, "#/typo"),
        ({"options": "{"}, "#/options"),
        ({"options": "[]"}, "#/options"),
        ({"options": '{"lane": "slow"}'}, "#/options"),
        ({"options": '{"boxes": true}'}, "#/options"),
        ({"options": '{"reuse": "yes"}'}, "#/options"),
        ({"options": '{"k":' * 5000 + "1" + "}" * 5000}, "#/options"),
        ({"options": json.dumps({"k": {"k": ["a\0"]}})}, "#/options"),
    ],
)
async def test_a_bad_field_is_named_and_nothing_stays(
    api: httpx.AsyncClient, settings: IngestSettings, form: dict[str, str], pointer: str
) -> None:
    answer = await api.post("/v1/images", files=FILE, data=form)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not files_beneath(settings.object_root)


async def test_options_reach_the_images_and_choose_the_lane(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    options = {"lane": "gpu", "boxes": "word", "webhook_url": "https://example.com/hook"}
    form = {"options": json.dumps(options), "chunk_size": "5", "initiated_by": "me"}
    assert (await api.post("/v1/images", files=FILE, data=form)).status_code == 202
    assert publisher.topics == ["images.submitted.gpu"]
    assert publisher.images[0].options == {"lane": "gpu", "boxes": "word"}
    assert publisher.batches[0].options == options
    assert (publisher.batches[0].chunk_size, publisher.batches[0].initiated_by) == (5, "me")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "application/jso"])
async def test_other_media_types_are_refused(api: httpx.AsyncClient, content_type: str) -> None:
    for path in ("/v1/images", "/v1/batches", "/v1/batches/b/retry"):
        answer = await api.post(path, content=b"{}", headers={"content-type": content_type})
        assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 15_000,
        b'{"images":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"images": [{"image_path": "s3://b/\\ud800"}]}',
        *(b"\xff", b"null", b'"a"', b"{" * 20),
    ],
)
async def test_odd_json_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher, body: bytes
) -> None:
    answer = await api.post(
        "/v1/batches", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert not publisher.images


async def test_huge_json_is_refused_before_it_is_read(api: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b" " * 1000

    answer = await api.post(
        "/v1/batches", content=endless(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert "OCRSTREAM_MAX_JSON_BYTES" in answer.json()["detail"]
    assert sent <= 22_000
    announced = {"content-type": "application/json", "content-length": "1000000000"}
    assert (await api.post("/v1/batches", content=endless(), headers=announced)).status_code == 413
    assert sent <= 22_000


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/v1/images", "multipart/form-data; boundary=b"),
        ("/v1/batches", "application/json"),
        ("/v1/batches", "application/x-ndjson"),
        ("/v1/batches/b/retry", "application/json"),
    ],
)
async def test_a_body_that_stands_still_gives_its_place_back(
    api: httpx.AsyncClient, settings: IngestSettings, path: str, content_type: str
) -> None:
    async def stalls() -> AsyncGenerator[bytes]:
        yield b"--b\r\n"
        await asyncio.sleep(60)

    async with asyncio.timeout(20):
        answer = await api.post(path, content=stalls(), headers={"content-type": content_type})
    assert answer.status_code == 408
    assert not files_beneath(settings.object_root)


async def test_a_body_that_drips_ends(api: httpx.AsyncClient) -> None:
    async def drips() -> AsyncGenerator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with asyncio.timeout(20):
        answer = await api.post(
            "/v1/batches", content=drips(), headers={"content-type": "application/json"}
        )
    assert answer.status_code == 408


async def test_a_body_does_not_drip_because_we_are_slow() -> None:
    """A kilobyte a second is what the client has to bring, not what is done with it."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    messages = [{"type": "http.request", "body": b" ", "more_body": more} for more in (True, False)]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return messages.pop(0)

    limits = BodyLimits(idle_timeout_s=0.1, max_bytes=100)
    async for _ in read_chunks(Request(scope, receive), limits):
        await asyncio.sleep(0.3)
    assert not messages


async def test_more_requests_than_places_are_told_to_come_back(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    reading = asyncio.Semaphore(0)
    go_on = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        reading.release()
        await go_on.wait()
        yield b"{}"

    headers = {"content-type": "application/json"}
    under_way = [
        asyncio.create_task(api.post("/v1/batches/b/retry", content=slow(), headers=headers))
        for _ in range(3)
    ]
    for _ in under_way:
        await reading.acquire()
    refused = await api.post("/v1/batches/b/retry")
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    go_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*under_way)} == {202}
    assert (await api.post("/v1/batches/b/retry")).status_code == 202
    assert len(publisher.commands) == 4


async def test_a_full_lane_takes_nothing_and_says_when_to_come_back(
    api: httpx.AsyncClient, app: Any, publisher: FakePublisher, settings: IngestSettings
) -> None:
    app.state.dependencies.worker_lag.set_lag(
        {"images.submitted.urgent": settings.max_queued_images + 1}
    )
    options = {"lane": "urgent"}
    urgent = {"images": [{"image_path": "s3://b/a"}], "options": options}
    own_lane = {"images": [{"image_path": "s3://b/a", "options": options}]}
    lines = json.dumps({"options": options}).encode() + b'\n{"image_path": "s3://b/a"}\n'
    answers = [
        await api.post("/v1/batches", json=urgent),
        await api.post("/v1/batches", json=own_lane, headers={"Idempotency-Key": "k"}),
        await api.post(
            "/v1/batches", content=lines, headers={"content-type": "application/x-ndjson"}
        ),
        await api.post("/v1/images", files=FILE, data={"options": json.dumps(options)}),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert not publisher.images
    assert not publisher.batches
    assert not files_beneath(settings.object_root)
    del urgent["options"]
    assert (await api.post("/v1/batches", json=urgent)).status_code == 202


def test_a_root_whose_files_could_not_be_referred_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="characters shorter"):
        IngestSettings(object_root=tmp_path / ("a" * 200))
