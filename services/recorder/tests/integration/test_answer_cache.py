"""Answers that are given again, on a real database that others write to."""

from collections.abc import AsyncGenerator
from urllib.parse import quote

import httpx
import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg import sql
from read_api import get, read_api
from read_events import fill

from ocrstream_recorder.database.zone import DatabaseZone

pytestmark = pytest.mark.integration

PATHS = ("/v1/batches/one", "/v1/batches/one/images?limit=3")
RENAME = "UPDATE batch_executions SET batch_name = %s WHERE batch_id = 'one'"
FAIL = "UPDATE chain_executions SET error_message = %s WHERE batch_id = 'one'"


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    zone = DatabaseZone("UTC")
    fill(database_url, zone)
    async with read_api(database_url, zone) as client:
        yield client


def repeated() -> float:
    return REGISTRY.get_sample_value("ocrstream_recorder_answers_repeated_total") or 0.0


async def named(api: httpx.AsyncClient) -> tuple[str, set[str]]:
    """What the batch and its images are called now."""
    batch, page = [await get(api, path) for path in PATHS]
    return batch["batch_name"], {image["error"] for image in page["items"]}


async def test_what_is_asked_again_is_not_made_again(api: httpx.AsyncClient) -> None:
    image = (await get(api, "/v1/ocr-executions"))["items"][0]["image_path"]
    for path in (*PATHS, f"/v1/images?image_path={quote(image)}"):
        first, before = await api.get(path), repeated()
        # Other databases of the server change its state too, so it may take more than one request.
        for _ in range(500):
            again = await api.get(path)
            assert (again.content, again.headers) == (first.content, first.headers)
            if repeated() > before:
                break
        assert repeated() > before, path


async def test_what_is_written_is_told_at_once(api: httpx.AsyncClient, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for number in range(50):
            name = f"name {number}"
            connection.execute(RENAME, (name,))
            connection.execute(FAIL, (name,))
            connection.commit()
            for _ in range(1 + number % 3):
                assert await named(api) == (name, {name})


async def test_what_is_not_committed_is_not_told(api: httpx.AsyncClient, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(RENAME, ("before",))
        connection.execute(FAIL, ("before",))
        connection.commit()
        for end in (connection.rollback, connection.commit):
            connection.execute(RENAME, ("after",))
            connection.execute(FAIL, ("after",))
            for _ in range(3):
                assert await named(api) == ("before", {"before"})
            end()
            for _ in range(3):
                name = "before" if end == connection.rollback else "after"
                assert await named(api) == (name, {name})


async def test_nothing_is_told_while_the_database_is_away(
    database_url: str, api: httpx.AsyncClient
) -> None:
    await named(api)
    server, _, name = database_url.rpartition("/")
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        answers = [await api.get(path) for path in PATHS]
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(True)))
    assert [answer.status_code for answer in answers] == [503, 503]
    assert (await named(api))[0] == "name 0"


async def test_a_batch_without_images_has_them_as_soon_as_they_are_there(
    api: httpx.AsyncClient, database_url: str
) -> None:
    path = "/v1/batches/new/images"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO batch_executions (batch_id, run) VALUES ('new', 1)")
        for _ in range(3):
            assert (await get(api, path))["items"] == []
        connection.execute(
            "INSERT INTO chain_executions (chain_id, batch_id, run, input_data)"
            """ VALUES ('c', 'new', 1, '{"image_path": "file:///c"}')"""
        )
        assert [image["chain_id"] for image in (await get(api, path))["items"]] == ["c"]
