"""What a request to reprocess chooses, and what it refuses."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg import Connection
from read_api import get, read_api
from recorder_conditions import conditions, holds, written
from reprocessing_scene import (
    NOON,
    ZONE,
    failed,
    read,
    submit_all,
    submitted,
    write,
)

from ocrstream_recorder.reprocessing import requests
from ocrstream_recorder.reprocessing.rules import Condition
from ocrstream_schemas.events import Provenance, ResultWarning

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with read_api(database_url, ZONE) as client:
        yield client


def _by(engine: str, version: str, reader: str | None = None, *warnings: str) -> dict[str, Any]:
    """What read an image. The package of one engine is called otherwise than it."""
    package = f"python-{engine}" if engine == "python" else engine
    versions = {package: version} | ({} if reader is None else {"ocrstream": reader})
    return {
        "provenance": Provenance(
            engine=engine,
            versions=versions,
            warnings=tuple(ResultWarning(code=code, detail="") for code in warnings),
        )
    }


_NUMBERS = {"3.9.0": (3, 9), "3.10.0rc1": (3, 10), "v0.0": (), f"1{30 * '0'}-x": (10**30,)}
_READERS = {"2": (2,), "10": (10,), "02.0.0": (2,)}


def images() -> list[dict[str, Any]]:
    """Images of every kind, as a condition may look at them."""
    hours = {"age": 3600.0}
    return [
        {"confidences": [0.25, 0.75], "run": 1, "lane": "default", **hours},
        {"confidences": [0.5], "run": 2, "lane": "gpu", **hours, **_by("rapidocr", "3.9.0")},
        {
            "confidences": [1.0, 1.0, 1.0],
            "run": 1,
            "lane": "urgent",
            "age": 172_800.0,
            **_by("rapidocr", "3.10.0rc1", "2", "low_confidence", "newer_than_we"),
        },
        {
            "confidences": [],
            "run": 1,
            "lane": "default",
            "reason": "no_text",
            **hours,
            **_by("my-e.2", "v0.0", "10", "small_text"),
        },
        {
            "confidences": [0.5],
            "run": 1,
            "lane": "default",
            **hours,
            **_by("other", "nightly", "\u0663.1", "low_confidence"),
        },
        {
            "confidences": [0.5],
            "run": 1,
            "lane": "default",
            **hours,
            **_by("python", "1" + 30 * "0" + "-x", "02.0.0"),
        },
        {"confidences": None, "run": 3, "lane": "gpu", "reason": "not_found", **hours},
    ]


def as_seen(image: dict[str, Any]) -> dict[str, Any]:
    confidences: list[float] = image["confidences"] or []
    by: Provenance | None = image.get("provenance")
    told: dict[str, Any] = {"engine": "unknown", "version": None, "reader": (1,), "warning": None}
    if by is not None:
        [version, *reader] = by.versions.values()
        told = {
            "engine": by.engine,
            "version": _NUMBERS.get(version),
            "reader": _READERS.get(reader[0] if reader else "", (1,)),
            "warning": {one.code for one in by.warnings},
        }
    return {
        "reason": None,
        **told,
        **image,
        "boxes": len(confidences),
        "confidence": sum(confidences) / len(confidences) if confidences else None,
        "min_confidence": min(confidences, default=None),
        "status": "success" if confidences else "failed",
    }


@pytest.fixture
def several(connection: Connection[Any]) -> datetime:
    """The moment at which `images` are as old as they say."""
    now = NOON + timedelta(days=7)
    for index, image in enumerate(images()):
        told: dict[str, Any] = {
            "run": image["run"],
            "submitted_at": now - timedelta(seconds=image["age"]),
            "options": {"lane": image["lane"]},
        }
        confidences = image["confidences"]
        outcome = (
            failed(index, **told)
            if confidences is None
            else read(index, *confidences, **told, provenance=image.get("provenance"))
        )
        write(connection, submitted(index, **told), outcome)
    return now


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions())
def test_a_condition_chooses_what_it_says(
    connection: Connection[Any], several: datetime, condition: Condition
) -> None:
    chosen = [seen for seen in map(as_seen, images()) if holds(condition, seen)]
    for batch_id in ("b", None):
        sql: Any
        sql, parameters = requests.count_statement(batch_id, condition, several, ZONE)
        [told] = connection.execute(sql, parameters).fetchall()
        assert told == (len(chosen), sum(seen["boxes"] for seen in chosen)), written(condition)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"batch_id": "b", "where": "confidence < high"}, 422, "at character 14:"),
        ({"batch_id": "b", "where": "'; DROP TABLE x"}, 422, "has no meaning here"),
        ({"batch_id": "b", "where": "confidence < 0.8\0"}, 422, "NUL"),
        ({"batch_id": "b", "where": "run = 1 or " * 200}, 422, "1000 characters"),
        ({"batch_id": "b", "lane": "fast"}, 422, "lane must be one of default, urgent, gpu"),
        ({"batch_id": "b", "all": True}, 422, "give either batch_id, or all"),
        ({"all": False}, 422, "#/all"),
        ({}, 422, "give either batch_id, or all"),
        ({"batch_id": "b", "were": "boxes = 1"}, 422, "#/were"),
        ({"batch_id": "unheard-of"}, 404, "unheard-of"),
        ({"batch_id": "b", "request_id": ""}, 422, "#/request_id"),
    ],
)
async def test_a_bad_request_does_nothing_and_says_why(
    api: httpx.AsyncClient,
    connection: Connection[Any],
    asked: dict[str, Any],
    status: int,
    said: str,
) -> None:
    write(connection, submitted(0), read(0, 0.5))
    answer = await api.post("/v1/reprocessings", json=asked)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert submit_all(connection) == []


async def test_what_nobody_has_asked_for_is_not_there(
    api: httpx.AsyncClient, connection: Connection[Any]
) -> None:
    assert (await api.get("/v1/reprocessings/r")).status_code == 404
    assert (await api.get("/v1/batches/b/result-versions")).status_code == 404
    write(connection, submitted(0), read(0, 0.5))
    assert (await get(api, "/v1/batches/b/result-versions"))["items"] == []
    page = await get(api, "/v1/result-versions", image_path="file:///0.png")
    assert (page["items"], page["next_cursor"]) == ([], None)
