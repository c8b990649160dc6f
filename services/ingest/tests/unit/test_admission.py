"""Lanes over their limit take nothing, and a request is admitted whole or not at all."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from fake_publisher import FakePublisher
from fastapi import FastAPI

from ocrstream_ingest.dependencies import Dependencies
from ocrstream_schemas.topics import IMAGES_SUBMITTED, lane_topic

LINES = {"content-type": "application/x-ndjson"}
GPU = {"image_path": "s3://b/gpu.png", "options": {"lane": "gpu"}}
PLAIN = {"image_path": "s3://b/plain.png"}


@pytest.fixture
def full(app: FastAPI) -> Any:
    """Makes a lane's queue longer than is allowed."""
    dependencies: Dependencies = app.state.dependencies

    def fill(lane: str | None) -> None:
        dependencies.worker_lag.set_lag({lane_topic(lane): 10**9})

    return fill


async def lines(api: httpx.AsyncClient, *told: Any, **headers: str) -> httpx.Response:
    body = b"".join(json.dumps(one).encode() + b"\n" for one in told)
    return await api.post("/v1/batches", content=body, headers={**LINES, **headers})


async def listed(api: httpx.AsyncClient, *told: Any) -> httpx.Response:
    return await api.post("/v1/batches", json={"images": list(told)})


@pytest.mark.parametrize("post", [lines, listed])
@pytest.mark.parametrize("order", [(GPU, PLAIN), (PLAIN, GPU)])
async def test_images_for_a_lane_that_is_full_are_refused_with_all_others(
    api: httpx.AsyncClient, publisher: FakePublisher, full: Any, post: Any, order: Any
) -> None:
    full("gpu")
    answer = await post(api, *order)
    assert answer.status_code == 503
    assert "images.submitted.gpu" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "30"
    assert (publisher.images, publisher.batches) == ([], [])


@pytest.mark.parametrize("post", [lines, listed])
async def test_a_full_lane_is_no_matter_to_images_of_others(
    api: httpx.AsyncClient, publisher: FakePublisher, full: Any, post: Any
) -> None:
    full("urgent")
    assert (await post(api, GPU, PLAIN)).status_code == 202
    assert set(publisher.topics) == {lane_topic("gpu"), IMAGES_SUBMITTED}


async def test_the_batch_s_own_lane_counts_even_if_every_line_names_another(
    api: httpx.AsyncClient, publisher: FakePublisher, full: Any
) -> None:
    full(None)
    assert (await lines(api, GPU)).status_code == 503
    assert publisher.images == []


async def test_a_stream_of_which_something_was_taken_is_taken_whole(
    api: httpx.AsyncClient, publisher: FakePublisher, full: Any
) -> None:
    full("gpu")
    many = [{"image_path": f"s3://b/{number}.png"} for number in range(1000)]
    answer = await lines(api, *many, GPU)
    # All lines of a body that comes in one piece are read at once.
    assert (answer.status_code, publisher.images) == (503, [])

    async def in_pieces() -> AsyncGenerator[bytes]:
        for one in (*many, GPU):
            yield json.dumps(one).encode() + b"\n"

    answer = await api.post("/v1/batches", content=in_pieces(), headers=LINES)
    assert (answer.status_code, answer.json()["accepted_images"]) == (202, 1001)
    assert publisher.topics[-1] == lane_topic("gpu")
    assert publisher.batches[-1].total_images == 1001


@pytest.mark.parametrize("post", [lines, listed])
async def test_a_lane_that_is_not_declared_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher, post: Any
) -> None:
    answer = await post(api, {**PLAIN, "options": {"lane": "fast"}})
    assert answer.status_code == 422
    assert "lane must be one of default, urgent, gpu" in answer.text
    assert publisher.images == []


async def test_a_refused_stream_is_taken_under_its_key_once_there_is_room(
    api: httpx.AsyncClient, app: FastAPI, publisher: FakePublisher, full: Any
) -> None:
    full("gpu")
    key = {"Idempotency-Key": "again"}
    refused = await lines(api, GPU, PLAIN, **key)
    assert refused.status_code == 503
    dependencies: Dependencies = app.state.dependencies
    dependencies.worker_lag.set_lag({lane_topic("gpu"): 0})
    answer = await lines(api, GPU, PLAIN, **key)
    assert (answer.status_code, answer.json()["accepted_images"]) == (202, 2)
    assert len(publisher.images) == 2
