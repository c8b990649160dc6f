"""What ids may hold, what is sent again, and what may be written through the API."""

from collections.abc import AsyncGenerator
from urllib.parse import quote

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from read_api import get, read_api
from read_events import NOON, ODD, at, ended, fill, write
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.zone import DatabaseZone

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    zone = DatabaseZone("Europe/Berlin")
    fill(database_url, zone)
    async with read_api(database_url, zone) as client:
        yield client


async def test_ids_may_hold_any_character(api: httpx.AsyncClient) -> None:
    path = f"/v1/batches/{quote(ODD, safe='')}"
    assert (await get(api, path))["batch_id"] == ODD
    assert len((await get(api, f"{path}/images"))["items"]) == 11
    for rest in ("chunks", "failures"):
        assert (await get(api, f"{path}/{rest}"))["items"]
    assert (await get(api, f"{path}/webhooks"))["items"] == []
    chain = quote(f"{ODD}/3", safe="")
    assert (await get(api, f"/v1/chains/{chain}"))["chain_id"] == f"{ODD}/3"
    missing = await api.get("/v1/batches/one%2Fimages")
    assert missing.status_code == 404
    assert "'one/images'" in missing.json()["detail"]
    assert (await api.get("/v1/batches/one%00")).status_code == 422
    assert (await api.get("/v1/batches", params={"batch_name": "a\0"})).status_code == 422


@given(batch_id=st.text(min_size=1, max_size=40).filter(lambda one: one not in {".", ".."}))
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
async def test_any_id_is_told_apart(api: httpx.AsyncClient, batch_id: str) -> None:
    """A batch that is not there is named as it was asked for, whatever it is called."""
    answer = await api.get(f"/v1/batches/{quote(batch_id, safe='')}/images")
    if "\0" in batch_id:
        assert answer.status_code == 422
    elif batch_id not in {"one", "two"}:
        assert answer.status_code == 404
        assert repr(batch_id) in answer.json()["detail"]


async def test_what_did_not_change_is_not_sent_again(
    api: httpx.AsyncClient, database_url: str
) -> None:
    paths = ["/v1/batches/one", "/v1/batches/one/images?limit=3", "/v1/batches", "/v1/tasks"]
    first = {path: await api.get(path) for path in paths}
    for path, answer in first.items():
        tag = answer.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            same = await api.get(path, headers={"if-none-match": known})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
        other = await api.get(path, headers={"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, answer.content)
    late = ended("one", 10, None, "worker 0")
    write(database_url, [late], DatabaseZone("Europe/Berlin"))
    for path, answer in first.items():
        now = await api.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (now.status_code == 304) == (path == "/v1/batches/one/images?limit=3")
    unknown = await api.get("/v1/batches/none", headers={"if-none-match": "*"})
    assert unknown.status_code == 404
    assert "etag" not in unknown.headers


async def test_every_change_of_an_ended_batch_changes_its_tag(
    api: httpx.AsyncClient, database_url: str
) -> None:
    tags = [(await api.get("/v1/batches/two")).headers["etag"]]
    for number in (9, 10):
        write(
            database_url,
            [ended("two", number, None, "worker 0")],
            DatabaseZone("Europe/Berlin"),
        )
        tags.append((await api.get("/v1/batches/two")).headers["etag"])
    assert len(set(tags)) == 3


async def test_reading_cannot_write(database_url: str) -> None:
    database = ReadDatabase(database_url, connections=1, timeout_s=5)
    deletion = "DELETE FROM recorder_dead_letters"
    async with database.engine.connect() as connection:
        with pytest.raises(InternalError, match="read-only transaction"):
            await connection.execute(text(deletion))
    for reads in (database.quick, database.searches):
        with pytest.raises(ReadOnlySqlTransaction):
            await reads.rows(deletion.encode(), {})
    await database.close()


async def test_dead_letters_are_marked_nevertheless(
    api: httpx.AsyncClient, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "INSERT INTO recorder_dead_letters (cluster_id, topic, partition, origin_offset,"
            " origin_timestamp_ms, reason, error, kept_topic, kept_partition, kept_offset)"
            " VALUES ('c', 'ocr.results', 0, 1, 2, 'invalid', 'e', 'ocr.results.dlq', 0, 3)"
            " RETURNING id"
        ).fetchone()
    assert row is not None
    dropped = await api.post("/v1/dead-letters/drop", json={"ids": [row[0], 2**63 - 1]})
    assert dropped.json()["done"] == [row[0]]
    (letter,) = (await get(api, "/v1/dead-letters"))["items"]
    assert letter["state"] == "dropped"
    for too_large in (2**63, -1):
        assert (await api.get(f"/v1/dead-letters/{too_large}")).status_code == 422


async def test_a_read_that_takes_too_long_is_ended(database_url: str) -> None:
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE task_logs")
        async with read_api(database_url, DatabaseZone("UTC"), timeout_s=0.2) as client:
            answer = await client.get("/v1/tasks")
    assert answer.status_code == 503
    assert "ask for less" in answer.json()["detail"]


async def test_a_role_that_may_only_read_suffices(database_url: str) -> None:
    """What the operations page grants is all that the read API needs."""
    name = "reader_of_tests"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {name}")  # pyright: ignore
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")  # pyright: ignore
        admin.execute(f"GRANT USAGE ON SCHEMA public TO {name}")  # pyright: ignore
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")  # pyright: ignore
        admin.execute(f"GRANT UPDATE ON recorder_dead_letters TO {name}")  # pyright: ignore
        admin.execute(f"GRANT INSERT ON recorder_rereads TO {name}")  # pyright: ignore
    fill(database_url, DatabaseZone("UTC"))
    rest = database_url.rpartition("@")[2]
    url = f"postgresql://{name}:x@{rest}"
    try:
        async with read_api(url, DatabaseZone("UTC")) as api:
            for path in ("batches", "chains", "tasks", "ocr-executions", "dead-letters"):
                answer = await get(api, f"/v1/{path}")
                assert answer["items"] or path == "dead-letters"
            await get(api, "/v1/stats", begin=NOON.isoformat(), end=at(900).isoformat())
            dropped = await api.post("/v1/dead-letters/drop", json={"ids": [1]})
            assert dropped.status_code == 200, dropped.text
            reread = await api.post("/v1/rereads", json={"request_id": "r", "all": True})
            assert reread.status_code == 202, reread.text
        with psycopg.connect(url) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute("DELETE FROM batch_executions")
    finally:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")  # pyright: ignore
