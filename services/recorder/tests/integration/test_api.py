"""The read API on a real database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from read_api import get, read_api
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import (
    AnyEvent,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TaskStarted,
    TextBox,
)

pytestmark = pytest.mark.integration

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BOX = TextBox(text="[b]hi[/b]", confidence=0.75, bbox=((0, 0), (9.5, 0), (9.5, 4), (0, 4)))


def images() -> list[AnyEvent]:
    """Five images with an index, two without."""
    return [
        ImageSubmitted(
            image_path=f"file:///{number}.png",
            chain_id=f"chain-{number}",
            batch_id="b",
            index=number if number < 5 else None,
            submitted_at=NOON,
            source_name=f"scan {number}.png",
        )
        for number in (6, 3, 1, 5, 0, 4, 2)
    ]


def outcome(number: int, reason: Reason | None = None) -> AnyEvent:
    told: dict[str, Any] = {
        "chain_id": f"chain-{number}",
        "image_path": f"file:///{number}.png",
        "batch_id": "b",
        "index": number,
        "task_id": f"task-{number}",
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
    }
    if reason is None:
        return OcrSucceeded(**told, boxes=(BOX,))
    return OcrFailed(**told, reason=reason, error="it is gone")


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    zone = DatabaseZone("Europe/Berlin")
    announcement = BatchSubmitted(batch_id="b", total_images=7, submitted_at=NOON)
    started = TaskStarted(
        task_id="task-9", task_name="layout", chain_id="chain-2", started_at=NOON, batch_id="b"
    )
    events = [*images(), announcement, outcome(0), outcome(1, Reason.NOT_FOUND), started]
    with psycopg.connect(database_url, autocommit=True) as connection:
        changes = PollChanges(changes_of(event, zone.to_local) for event in events)
        write_poll(connection, changes, zone)
    async with read_api(database_url, zone) as client:
        yield client


async def test_a_batch(api: httpx.AsyncClient) -> None:
    batch = await get(api, "/v1/batches/b")
    assert batch["progress"] == pytest.approx(100 * 2 / 7)
    counted = [batch[f"{kind}_images"] for kind in ("total", "seen", "completed", "failed")]
    assert counted == [7, 7, 1, 1]
    assert (batch["status"], batch["revision"], batch["total_chunks"]) == ("RUNNING", 0, 0)
    # Stored in the database's zone, told as the instant that it was.
    assert batch["started_at"] == "2026-05-01T12:00:00Z"


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 100])
async def test_images_come_by_index_page_by_page(api: httpx.AsyncClient, limit: int) -> None:
    found: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"limit": limit}
    for _ in range(8):
        page = await get(api, "/v1/batches/b/images", **parameters)
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert [row["index"] for row in found] == [0, 1, 2, 3, 4, None, None]
    assert len({row["chain_id"] for row in found}) == 7
    assert found[1] == {
        "image_path": "file:///1.png",
        "public_path": None,
        "chain_id": "chain-1",
        "index": 1,
        "run": 1,
        "status": "FAILURE",
        "reason": "not_found",
        "error": "it is gone",
        "source_name": "scan 1.png",
        "page": None,
        "warnings": [],
    }


async def test_an_image_with_its_boxes(api: httpx.AsyncClient) -> None:
    image = await get(api, "/v1/images", image_path="file:///0.png")
    assert image["text_boxes"] == [
        {"text": "[b]hi[/b]", "confidence": 0.75, "bbox": [[0, 0], [9.5, 0], [9.5, 4], [0, 4]]}
    ]
    assert (image["status"], image["submitted_at"]) == ("success", "2026-05-01T12:00:00Z")
    failed = await get(api, "/v1/images", image_path="file:///1.png")
    assert (failed["status"], failed["reason"], failed["text_boxes"]) == ("failed", "not_found", [])


async def test_a_chain_with_its_tasks(api: httpx.AsyncClient) -> None:
    chain = await get(api, "/v1/chains/chain-2")
    assert chain["status"] == "STARTED"
    assert chain["input_data"]["source_name"] == "scan 2.png"
    statuses = {task["task_name"]: task["status"] for task in chain["tasks"]}
    assert statuses == {"ocr": "PENDING", "layout": "STARTED"}


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 10),
        ({"limit": 3}, 10),
        ({"status": "SUCCESS"}, 1),
        ({"status": "STARTED", "task_name": "layout"}, 1),
        ({"chain_id": "chain-2"}, 2),
        ({"chain_id": "unheard-of"}, 0),
    ],
)
async def test_tasks_are_filtered_and_paged(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    found: list[str] = []
    parameters = dict(parameters)
    for _ in range(12):
        page = await get(api, "/v1/tasks", **parameters)
        found += [task["task_id"] for task in page["items"]]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert len(found) == len(set(found)) == count


@pytest.mark.parametrize("cursor", ["%", "bm9uZQ", "W10", "e30", "WzEsMiwzXQ", "WyJhIiwiYiJd"])
async def test_cursors_of_others_are_refused(api: httpx.AsyncClient, cursor: str) -> None:
    answer = await api.get("/v1/batches/b/images", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_its_database_it_asks_for_patience(
    api: httpx.AsyncClient, database_url: str, postgres_url: str
) -> None:
    server = postgres_url.rpartition("/")[0]
    name = database_url.rpartition("/")[2]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')  # pyright: ignore
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
    answer = await api.get("/v1/batches/b")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "secret" not in answer.text
