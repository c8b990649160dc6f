"""Batches as NDJSON: of any length, published as they come."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from fake_publisher import FakePublisher

from ocrstream_ingest import stream_publishing

HEADERS = {"content-type": "application/x-ndjson"}


def lines(*told: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


def references(count: int) -> list[dict[str, str]]:
    return [{"image_path": f"s3://b/{n}.png"} for n in range(count)]


async def post(api: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    return await api.post("/v1/batches", content=body, headers={**HEADERS, **headers})


async def test_lines_are_a_batch_whose_total_comes_last(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    answer = await post(api, lines(*references(2500)))
    assert answer.status_code == 202, answer.text
    assert answer.json()["total_images"] == answer.json()["accepted_images"] == 2500
    assert [image.index for image in publisher.images] == list(range(2500))
    assert [batch.total_images for batch in publisher.batches] == [None, 2500]
    assert {image.batch_id for image in publisher.images} == {answer.json()["batch_id"]}


async def test_a_stream_ends_at_the_limit_of_a_batch(
    api: httpx.AsyncClient, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_publishing, "MAX_BATCH_IMAGES", 2000)

    async def three_thousand() -> AsyncGenerator[bytes]:
        for _ in range(3):
            yield lines(*references(1000))

    answer = await post(api, three_thousand())
    assert answer.status_code == 413
    assert "at most 2,000 images" in answer.json()["detail"]
    assert len(publisher.images) == answer.json()["accepted_images"] == 2000
    assert [batch.total_images for batch in publisher.batches] == [None, 2000]


async def test_the_first_line_may_describe_the_batch(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    told = {"batch_name": "n", "options": {"lane": "urgent", "reuse": False}, "total_tasks": 3}
    answer = await post(api, lines(told, *references(1)))
    assert answer.status_code == 202, answer.text
    (image,) = publisher.images
    assert (image.index, image.total_tasks) == (0, 3)
    assert image.options == {"lane": "urgent", "reuse": False}
    assert publisher.topics == ["images.submitted.urgent"]
    assert {batch.batch_name for batch in publisher.batches} == {"n"}


async def test_pieces_may_end_anywhere(api: httpx.AsyncClient, publisher: FakePublisher) -> None:
    body = lines(*({"image_path": f"s3://b/ü{n}"} for n in range(40))).rstrip(b"\n") + b"\r\n \n"

    async def one_byte_each() -> AsyncGenerator[bytes]:
        for place in range(len(body)):
            yield body[place : place + 1]

    assert (await post(api, one_byte_each())).status_code == 202
    assert [image.image_path for image in publisher.images] == [f"s3://b/ü{n}" for n in range(40)]


async def test_lines_are_published_while_others_are_still_to_come(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    async def waits_for_what_it_sent() -> AsyncGenerator[bytes]:
        yield lines(*references(1000))
        for _ in range(20):
            if publisher.images:
                break
            await asyncio.sleep(0.01)
        assert len(publisher.images) == 1000
        yield lines(*references(1))

    assert (await post(api, waits_for_what_it_sent())).status_code == 202


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        b'{"image_path": "no-url"}',
        b'{"image_path": "s3://b/%s"}' % (b"a" * 256),
        b'{"image_path": "s3://b/a\\u0000"}',
        b'{"image_path": "s3://b/\xff"}',
        b'{"image_path": "s3://b/a", "typo": 1}',
        b'{"image_path": "s3://b/a", "index": -1}',
        b'{"image_path": "s3://b/a", "options": {"lane": "slow"}}',
        b'{"image_path": "s3://b/a", "options": ' + b'{"k":' * 90 + b"1" + b"}" * 90 + b"}",
        b'{"image_path": "s3://b/a", "options": ' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"image_path": "s3://b/a", "source_name": "' + b"x" * 300_000,
    ],
)
async def test_a_bad_line_is_named_and_the_batch_is_what_came_before(
    api: httpx.AsyncClient, publisher: FakePublisher, bad: bytes
) -> None:
    answer = await post(api, lines(*references(1003)) + bad + b"\n")
    assert answer.status_code == 422, answer.text
    assert "line 1004" in answer.json()["detail"]
    assert answer.json()["accepted_images"] == len(publisher.images) == 1003
    assert [batch.total_images for batch in publisher.batches] == [None, 1003]
    assert answer.json()["batch_id"] == publisher.batches[0].batch_id


@pytest.mark.parametrize("body", [b"", b"\n\n", b"{", lines({"batch_name": "n"}), b"[1]\n"])
async def test_without_an_image_nothing_is_published(
    api: httpx.AsyncClient, publisher: FakePublisher, body: bytes
) -> None:
    assert (await post(api, body)).status_code == 422
    assert not publisher.images
    assert not publisher.batches


async def test_a_body_that_stands_still_ends(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    async def stalls() -> AsyncGenerator[bytes]:
        yield lines(*references(1000))
        await asyncio.sleep(60)

    async with asyncio.timeout(20):
        answer = await post(api, stalls())
    assert answer.status_code == 408
    assert answer.json()["accepted_images"] == 1000
    assert [batch.total_images for batch in publisher.batches] == [None, 1000]


async def test_the_same_key_and_lines_are_published_once(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    key = {"Idempotency-Key": "k"}
    first = await post(api, lines(*references(5)), **key)
    again = await post(api, lines(*references(5)), **key)
    assert first.status_code == again.status_code == 202
    assert first.content == again.content
    assert len(publisher.images) == 5
    assert (await post(api, lines(*references(6)), **key)).status_code == 422
    assert len(publisher.images) == 5


async def test_an_unfinished_stream_is_finished_under_its_ids(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    key = {"Idempotency-Key": "k"}
    body = lines(*references(1000))
    assert (await post(api, body + b"{\n", **key)).status_code == 422
    assert (await post(api, body + body, **key)).status_code == 202
    chains = [image.chain_id for image in publisher.images]
    assert len(chains) == 3000
    assert len(set(chains)) == 2000
    assert len({image.batch_id for image in publisher.images}) == 1
    assert publisher.batches[-1].total_images == 2000
