"""Idempotency-Key on every path, over replicas that share a folder."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_publisher import FakePublisher
from fastapi import FastAPI
from full_disk import Disk, key_files, refused_for_room

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.idempotency import FOLDER, AttemptRecord, IdempotencyStore
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.health import Health

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}

Post = Callable[[httpx.AsyncClient, str], Coroutine[Any, Any, httpx.Response]]


async def post_references(client: httpx.AsyncClient, told: str) -> httpx.Response:
    body = {"images": [{"image_path": f"file:///{told}.png"}]}
    return await client.post("/v1/batches", json=body, headers=KEY)


async def post_files(client: httpx.AsyncClient, told: str) -> httpx.Response:
    files = {"files": ("a.png", told.encode())}
    return await client.post("/v1/images", files=files, headers=KEY)


async def post_retry(client: httpx.AsyncClient, told: str) -> httpx.Response:
    body = {"initiated_by": told}
    return await client.post("/v1/batches/b/retry", json=body, headers=KEY)


EVERY = pytest.mark.parametrize("post", [post_references, post_files, post_retry])


def first_attempt(**ids: Any) -> AttemptRecord:
    return AttemptRecord(ids, datetime.now(UTC), "fingerprint")


def published(publisher: FakePublisher) -> list[Any]:
    return [*publisher.images, *publisher.batches, *publisher.commands]


@pytest.fixture
async def replica(publisher: FakePublisher, settings: IngestSettings) -> FastAPI:
    return create_api(create_dependencies(settings, publisher), Health())


@EVERY
async def test_a_repeat_gives_the_same_answer_on_any_replica_and_publishes_nothing(
    api: httpx.AsyncClient, replica: FastAPI, publisher: FakePublisher, post: Post
) -> None:
    first = await post(api, "one")
    assert first.status_code == 202, first.text
    before = len(published(publisher))
    transport = httpx.ASGITransport(replica)
    async with httpx.AsyncClient(transport=transport, base_url="http://other") as other:
        again = await post(other, "one")
    assert (again.status_code, again.content) == (202, first.content)
    assert len(published(publisher)) == before


@EVERY
async def test_another_body_under_the_key_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher, post: Post
) -> None:
    assert (await post(api, "one")).status_code == 202
    before = len(published(publisher))
    answer = await post(api, "two")
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["title"]
    assert len(published(publisher)) == before


@EVERY
async def test_an_unfinished_request_is_finished_under_the_same_ids(
    api: httpx.AsyncClient, publisher: FakePublisher, settings: IngestSettings, post: Post
) -> None:
    assert (await post(api, "one")).status_code == 202
    # As if the answer was never publisher: a crash after the broker had the events.
    (file,) = [path for path in (settings.object_root / FOLDER).rglob("*") if path.is_file()]
    complete = file.read_bytes()
    file.write_bytes(complete.split(b',"response"')[0] + b"}")
    assert (await post(api, "one")).status_code == 202
    everything = published(publisher)
    assert len(everything) % 2 == 0
    for event in everything:
        assert everything.count(event) == 2
    assert file.read_bytes() == complete


async def post_lines(client: httpx.AsyncClient, told: str) -> httpx.Response:
    body = f'{{"image_path": "file:///{told}.png"}}\n'
    headers = {**KEY, "Content-Type": "application/x-ndjson"}
    return await client.post("/v1/batches", content=body, headers=headers)


ON_DISK = pytest.mark.parametrize("post", [post_references, post_lines, post_files, post_retry])


@ON_DISK
async def test_on_a_full_disk_nothing_is_published_and_nothing_left(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    disk: Disk,
    post: Post,
) -> None:
    disk.full = True
    refused_for_room(await post(api, "one"))
    assert not published(publisher)
    assert not [path for path in settings.object_root.rglob("*") if path.is_file()]
    # What needs no disk is taken.
    needs_none = {"images": [{"image_path": "s3://b/a.png"}]}
    assert (await api.post("/v1/batches", json=needs_none)).status_code == 202
    disk.full = False
    assert (await post(api, "one")).status_code == 202
    assert len(key_files(settings.object_root)) == 1


async def test_a_disk_that_fails_when_a_key_is_looked_up(
    api: httpx.AsyncClient, publisher: FakePublisher, settings: IngestSettings
) -> None:
    (settings.object_root / FOLDER).touch()
    refused = await post_references(api, "one")
    assert refused.status_code == 507, refused.text
    assert "published nothing" in refused.json()["detail"]
    assert not published(publisher)


@ON_DISK
async def test_a_disk_that_is_full_when_all_is_published_costs_the_answer_only(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    disk: Disk,
    post: Post,
) -> None:
    send = publisher.publish

    async def send_and_fill(batch_id: str, records: Sequence[Record]) -> None:
        await send(batch_id, records)
        disk.full = True

    publisher.publish = send_and_fill
    assert "published" in refused_for_room(await post(api, "one"))
    assert len(key_files(settings.object_root)) == 1
    disk.full, publisher.publish = False, send
    once = published(publisher)
    assert (await post(api, "one")).status_code == 202
    for event in once:
        assert published(publisher).count(event) == 2


async def test_while_the_broker_is_away_nothing_is_claimed(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    publisher.failures = 1
    assert (await post_references(api, "one")).status_code == 503
    first = await post_references(api, "one")
    assert first.status_code == 202
    assert len(publisher.images) == 1
    assert first.json()["batch_id"] == publisher.images[0].batch_id


async def test_a_refused_request_leaves_its_key_free(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    refused = await api.post("/v1/batches", json={"images": []}, headers=KEY)
    assert refused.status_code == 422
    assert (await post_references(api, "one")).status_code == 202
    assert len(publisher.images) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut"])
async def test_a_key_that_is_none_is_refused(api: httpx.AsyncClient, key: str) -> None:
    answer = await api.post("/v1/batches/b/retry", headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 422


async def test_of_many_first_attempts_one_begins(tmp_path: Path) -> None:
    replicas = [IdempotencyStore(tmp_path, 3600) for _ in range(8)]

    async def create(store: IdempotencyStore, number: int) -> int:
        try:
            await store.create("k", first_attempt(batch_id=str(number)))
        except ProblemError as problem:
            return problem.status
        return 202

    created = await asyncio.gather(*(create(one, number) for number, one in enumerate(replicas)))
    assert sorted(created) == [202] + 7 * [409]
    found = await replicas[0].find("k")
    assert found is not None
    assert found.ids["batch_id"] == str(created.index(202))


async def test_old_keys_are_forgotten_and_young_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = IdempotencyStore(tmp_path, keep_s=3600)
    for key in ("old", "read", "young"):
        await store.create(key, first_attempt())
    paths = {key: store._path(key) for key in ("old", "read", "young")}  # pyright: ignore[reportPrivateUsage]
    for key in ("old", "read"):
        old = time.time() - 3700
        os.utime(paths[key], (old, old))
    assert await store.find("read") is None
    monkeypatch.setattr("ocrstream_ingest.idempotency._CLEANUP_INTERVAL_S", 0.0001)
    stop = asyncio.Event()
    deleting = asyncio.create_task(store.delete_expired(stop))
    async with asyncio.timeout(20):
        while paths["old"].exists():  # noqa: ASYNC110 - a file tells nobody that it is gone
            await asyncio.sleep(0.01)
    stop.set()
    await deleting
    assert await store.find("young") is not None
