"""Idempotency-Key on every path, over replicas that share a folder."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from full_disk import Disk, key_files, refused_for_room
from kept import Kept

from ocrstream_ingest.app import create_api
from ocrstream_ingest.idempotency import FOLDER, Attempts, new_attempt
from ocrstream_ingest.parts import create_parts
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health
from ocrstream_runtime.problems import Problem

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


def published(kept: Kept) -> list[Any]:
    return [*kept.images, *kept.batches, *kept.commands]


@pytest.fixture
async def replica(kept: Kept, settings: IngestSettings) -> FastAPI:
    return create_api(create_parts(settings, kept), Health())


@EVERY
async def test_a_repeat_gives_the_same_answer_on_any_replica_and_publishes_nothing(
    api: httpx.AsyncClient, replica: FastAPI, kept: Kept, post: Post
) -> None:
    first = await post(api, "one")
    assert first.status_code == 202, first.text
    before = len(published(kept))
    transport = httpx.ASGITransport(replica)
    async with httpx.AsyncClient(transport=transport, base_url="http://other") as other:
        again = await post(other, "one")
    assert (again.status_code, again.content) == (202, first.content)
    assert len(published(kept)) == before


@EVERY
async def test_another_body_under_the_key_is_refused(
    api: httpx.AsyncClient, kept: Kept, post: Post
) -> None:
    assert (await post(api, "one")).status_code == 202
    before = len(published(kept))
    answer = await post(api, "two")
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["title"]
    assert len(published(kept)) == before


@EVERY
async def test_an_unfinished_request_is_finished_under_the_same_ids(
    api: httpx.AsyncClient, kept: Kept, settings: IngestSettings, post: Post
) -> None:
    assert (await post(api, "one")).status_code == 202
    # As if the answer was never kept: a crash after the broker had the events.
    (file,) = [path for path in (settings.object_root / FOLDER).rglob("*") if path.is_file()]
    complete = file.read_bytes()
    file.write_bytes(complete.split(b',"answer"')[0] + b"}")
    assert (await post(api, "one")).status_code == 202
    everything = published(kept)
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
    api: httpx.AsyncClient, kept: Kept, settings: IngestSettings, disk: Disk, post: Post
) -> None:
    disk.full = True
    refused_for_room(await post(api, "one"))
    assert not published(kept)
    assert not [path for path in settings.object_root.rglob("*") if path.is_file()]
    # What needs no disk is taken.
    needs_none = {"images": [{"image_path": "s3://b/a.png"}]}
    assert (await api.post("/v1/batches", json=needs_none)).status_code == 202
    disk.full = False
    assert (await post(api, "one")).status_code == 202
    assert len(key_files(settings.object_root)) == 1


async def test_a_disk_that_fails_when_a_key_is_looked_up(
    api: httpx.AsyncClient, kept: Kept, settings: IngestSettings
) -> None:
    (settings.object_root / FOLDER).touch()
    refused = await post_references(api, "one")
    assert refused.status_code == 507, refused.text
    assert "nothing was published" in refused.json()["detail"]
    assert not published(kept)


@ON_DISK
async def test_a_disk_that_is_full_when_all_is_published_costs_the_answer_only(
    api: httpx.AsyncClient, kept: Kept, settings: IngestSettings, disk: Disk, post: Post
) -> None:
    send = kept.send

    async def send_and_fill(batch_id: str, records: Sequence[Record]) -> None:
        await send(batch_id, records)
        disk.full = True

    kept.send = send_and_fill
    assert "published" in refused_for_room(await post(api, "one"))
    assert len(key_files(settings.object_root)) == 1
    disk.full, kept.send = False, send
    once = published(kept)
    assert (await post(api, "one")).status_code == 202
    for event in once:
        assert published(kept).count(event) == 2


async def test_while_the_broker_is_away_nothing_is_claimed(
    api: httpx.AsyncClient, kept: Kept
) -> None:
    kept.failures = 1
    assert (await post_references(api, "one")).status_code == 503
    first = await post_references(api, "one")
    assert first.status_code == 202
    assert len(kept.images) == 1
    assert first.json()["batch_id"] == kept.images[0].batch_id


async def test_a_refused_request_leaves_its_key_free(api: httpx.AsyncClient, kept: Kept) -> None:
    refused = await api.post("/v1/batches", json={"images": []}, headers=KEY)
    assert refused.status_code == 422
    assert (await post_references(api, "one")).status_code == 202
    assert len(kept.images) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut"])
async def test_a_key_that_is_none_is_refused(api: httpx.AsyncClient, key: str) -> None:
    answer = await api.post("/v1/batches/b/retry", headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 422


async def test_of_many_first_attempts_one_begins(tmp_path: Path) -> None:
    replicas = [Attempts(tmp_path, 3600) for _ in range(8)]

    async def begin(attempts: Attempts, number: int) -> int:
        try:
            await attempts.begin("k", new_attempt("f", batch_id=str(number)))
        except Problem as problem:
            return problem.status
        return 202

    began = await asyncio.gather(*(begin(one, number) for number, one in enumerate(replicas)))
    assert sorted(began) == [202] + 7 * [409]
    found = await replicas[0].find("k", "f")
    assert found is not None
    assert found.ids["batch_id"] == str(began.index(202))


async def test_old_keys_are_forgotten_and_young_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = Attempts(tmp_path, keep_s=3600)
    for key in ("old", "read", "young"):
        await attempts.begin(key, new_attempt("f"))
    paths = {key: attempts._path(key) for key in ("old", "read", "young")}  # pyright: ignore[reportPrivateUsage]
    for key in ("old", "read"):
        old = time.time() - 3700
        os.utime(paths[key], (old, old))
    assert await attempts.find("read", "another") is None
    monkeypatch.setattr("ocrstream_ingest.idempotency._SWEEP_PAUSE_S", 0.0001)
    stop = asyncio.Event()
    sweeping = asyncio.create_task(attempts.sweep(stop))
    async with asyncio.timeout(20):
        while paths["old"].exists():  # noqa: ASYNC110 - a file tells nobody that it is gone
            await asyncio.sleep(0.01)
    stop.set()
    await sweeping
    assert await attempts.find("young", "f") is not None
