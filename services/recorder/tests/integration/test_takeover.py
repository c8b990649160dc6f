"""A database of the system before: taken over with its rows as they are, and recorded in."""

import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import pytest
from old_database import TABLES, checksums, columns_of, old_database
from psycopg import Connection
from read_api import get, read_api
from search_scene import index_all
from taken_over import NOON, UTC_ZONE, filenodes, one, open_database, read, write

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.migrations.migrate import migrate
from ocrstream_schemas.events import (
    AnyEvent,
    BatchCompleted,
    BatchRevoked,
    BatchSubmitted,
    OcrFailed,
    Reason,
    TaskSucceeded,
)

pytestmark = pytest.mark.integration

IMAGES = 10_000


@contextlib.asynccontextmanager
async def asking(url: str, zone: DatabaseZone = UTC_ZONE) -> AsyncGenerator[Any]:
    async with read_api(url, zone) as client:
        yield partial(get, client)


async def test_ten_thousand_images_are_taken_over_as_they_are(postgres_url: str) -> None:
    with old_database(postgres_url, IMAGES) as url, open_database(url) as connection:
        columns = columns_of(connection)
        before = checksums(connection, columns)
        files = filenodes(connection)
        migrate(url)
        assert checksums(connection, columns) == before
        assert filenodes(connection) == files, "a table was rewritten"
        assert one(connection, "SELECT version_num FROM alembic_version") == ("9f3c1d20ab77",)
        for table in TABLES[:4]:
            assert one(connection, f"SELECT max(run) FROM {table}") == (0,)
        lasting = one(connection, "SELECT max(id) FROM ocr_executions")[0]

        new = [read(number, batch_id="new", index=number) for number in range(300)]
        announced = BatchSubmitted(batch_id="new", total_images=300, submitted_at=NOON)
        written = write(connection, announced, *new)
        assert {rows.staged - rows.written for rows in written.rows.values()} == {0}
        assert checksums_of_old(connection, columns, before, lasting)
        assert write(connection, announced, *new).rows["boxes"].staged == 0

        async with asking(url) as get:
            batch = await get("/v1/batches/new")
            assert (batch["status"], batch["completed_images"]) == ("SUCCESS", 300)
            await walk_everything(get)


def checksums_of_old(
    connection: Connection[Any], columns: dict[str, list[str]], before: dict[str, str], last: int
) -> bool:
    """Whether the old rows are as before, beside the new ones."""
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM ocr_executions WHERE id > %s", (last,))
        for table in TABLES[2::-1]:
            connection.execute(f"DELETE FROM {table} WHERE run > 0")  # pyright: ignore
        return checksums(connection, columns) == before


async def walk_everything(get: Any) -> None:
    """Every kind of old row, with its NULLs, by the read API."""
    done, half, blank, failed, aborted = [await get(f"/v1/batches/old-{n}") for n in range(5)]
    assert (done["progress"], done["status"], done["run"]) == (100, "SUCCESS", 0)
    assert (half["progress"], half["completed_images"], half["batch_name"]) == (42, 40, "forms")
    assert (blank["progress"], blank["status"], blank["chunk_size"]) == (0, "PENDING", 10)
    assert (failed["progress"], failed["status"]) == (100, "FAILURE")
    assert (aborted["progress"], aborted["status"]) == (0, "aborted")

    images: list[Any] = []
    parameters: dict[str, Any] = {"limit": 1000}
    while True:
        page = await get("/v1/batches/old-1/images", **parameters)
        images += page["items"]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    # Those with the same remainder of 4, less those of no batch; none was begun twice.
    assert len(images) == len({image["chain_id"] for image in images}) == IMAGES // 4
    first = next(image for image in images if image["chain_id"] == "old-chain-1")
    assert (first["image_path"], first["index"], first["run"]) == ("/data/1.png", 1, 0)

    chain = await get("/v1/chains/old-chain-7")
    assert (chain["status"], chain["total_tasks"], len(chain["tasks"])) == ("PENDING", 0, 2)
    assert (await get("/v1/chains/old-chain-50"))["batch_id"] is None
    assert (await get("/v1/chains/old-chain-40"))["input_data"] == ["none", 1]
    image = await get("/v1/images", image_path="/data/3.png")
    assert (image["public_path"], len(image["text_boxes"])) == ("https://images/3", 5)
    assert image["text_boxes"][0]["bbox"][1] == [9.5, 0]
    failed = await get("/v1/images", image_path="/data/10.png")
    assert (failed["status"], failed["error"]) == ("failed", "No text boxes extracted")
    tasks = await get("/v1/tasks", task_name="layout", status="RETRY", limit=5)
    assert {task["attempt"] for task in tasks["items"]} == {1}


UNNAMED = {
    "batch_executions": ("batch_id", "batch_id = 'old-4'"),
    "chain_executions": ("chain_id", "chain_id IN ('old-chain-1', 'old-chain-2')"),
    "task_logs": ("task_id", "task_id IN ('old-task-3', 'old-task-5')"),
    "ocr_executions": ("image_path", "image_path IN ('/data/6.png', '/data/7.png')"),
}


async def test_rows_without_their_key_stay_and_are_left_out_where_it_is_needed(old: str) -> None:
    with open_database(old) as connection:
        ids: dict[str, set[int]] = {}
        for table, (key, rows) in UNNAMED.items():
            connection.execute(f"ALTER TABLE {table} ALTER {key} DROP NOT NULL".encode())
            update = f"UPDATE {table} SET {key} = NULL WHERE {rows} RETURNING id"
            ids[table] = {row_id for (row_id,) in connection.execute(update.encode())}
        columns = columns_of(connection)
        before, files = checksums(connection, columns), filenodes(connection)
        migrate(old)
        assert (checksums(connection, columns), filenodes(connection)) == (before, files)

        # Events are recorded beside them, and what belonged to them goes on.
        late = read(1, task_id="old-task-1", chain_id="old-chain-1", batch_id="old-1", index=1)
        written = write(connection, late, read(2, image_path="/data/8.png", batch_id="new"))
        assert {rows.staged - rows.written for rows in written.rows.values()} == {0}
        index_all(connection)
        indexed = "SELECT count(*) FROM recorder_search WHERE ocr_execution_id = ANY(%s)"
        assert one(connection, indexed, list(ids["ocr_executions"])) == (0,)
        for table, (key, _) in UNNAMED.items():
            rows = connection.execute(f"SELECT id FROM {table} WHERE {key} IS NULL".encode())
            assert {row_id for (row_id,) in rows} == ids[table]

        async with asking(old) as get:
            for path, key, table in (
                ("/v1/batches", "batch_id", "batch_executions"),
                ("/v1/chains", "chain_id", "chain_executions"),
                ("/v1/tasks", "task_id", "task_logs"),
                ("/v1/ocr-executions", "image_path", "ocr_executions"),
            ):
                items = (await get(path, limit=1000))["items"]
                assert all(item[key] for item in items)
                named = f"SELECT count({key}) FROM {table}"
                assert connection.execute(named.encode()).fetchone() == (len(items),)
            images = (await get("/v1/batches/old-1/images", limit=1000))["items"]
            assert [i["run"] for i in images if i["chain_id"] == "old-chain-1"] == [1]
            assert len((await get("/v1/chains/old-chain-3"))["tasks"]) == 1
            assert (await get("/v1/search", q="line"))["items"]


def test_a_new_result_replaces_an_old_one_of_its_path(old: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        before = one(connection, "SELECT id FROM ocr_executions WHERE image_path = '/data/1.png'")
        again = read(1, image_path="/data/1.png", public_path="https://images/1")
        write(connection, again)
        write(connection, again)
        query = (
            "SELECT o.id, chain_id, run, public_path, array_agg(text) FROM ocr_executions o"
            " JOIN ocr_text_boxes b ON b.ocr_execution_id = o.id"
            " WHERE image_path = '/data/1.png' GROUP BY o.id"
        )
        found = one(connection, query)
        assert found == (*before, "new-chain-1", 1, "https://images/1", ["new"])


def test_an_old_row_keeps_its_public_path(old: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        assert write(connection, read(1, public_path="https://images/3")).refused_public_paths == 1
        holder = "SELECT image_path FROM ocr_executions WHERE public_path = 'https://images/3'"
        assert one(connection, holder) == ("/data/3.png",)


async def test_a_chain_of_an_old_id_stands_beside_the_old_ones(old: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        rows = "SELECT count(*), count(*) FILTER (WHERE run > 0) FROM chain_executions"
        assert one(connection, f"{rows} WHERE chain_id = 'old-chain-100'") == (2, 0)
        event = read(100, chain_id="old-chain-100", batch_id="old-3", index=7)
        write(connection, event)
        write(connection, event)
        assert one(connection, f"{rows} WHERE chain_id = 'old-chain-100'") == (3, 1)
        async with asking(old) as get:
            chain = await get("/v1/chains/old-chain-100")
            assert (chain["run"], chain["status"]) == (1, "SUCCESS")
        write(connection, read(3, chain_id="old-chain-3", batch_id="old-3", index=3))
        async with asking(old) as get:
            items = (await get("/v1/batches/old-3/images", limit=1000))["items"]
            assert [(i["run"]) for i in items if i["chain_id"] == "old-chain-3"] == [1]
            assert [i["index"] for i in items[:2]] == [3, 7]


@pytest.mark.parametrize("task_id", ["old-task-1", "old-task-17"])
def test_a_task_of_an_old_id_is_taken_over(old: str, task_id: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        query = "SELECT id, run, chain_execution_id FROM task_logs WHERE task_id = %s"
        row_id, run, owner = one(connection, query, task_id)
        assert (run, owner is None) == (0, task_id == "old-task-17")
        event = TaskSucceeded(
            task_id=task_id, task_name="layout", chain_id="old-chain-1", finished_at=NOON
        )
        write(connection, event)
        write(connection, event)
        taken = one(connection, query, task_id)
        assert taken[:2] == (row_id, 1)
        assert one(
            connection, "SELECT chain_id, run, status FROM chain_executions WHERE id = %s", taken[2]
        ) == ("old-chain-1", 1, "SUCCESS")
        counted = "SELECT completed_tasks FROM chain_executions WHERE id = %s"
        assert owner is None or one(connection, counted, owner) == (2,)


BATCH = (
    "SELECT batch_name, status, total_images, completed_images, failed_images, revoked_images,"
    " total_chunks, completed_chunks, failed_chunks, revision FROM batch_executions"
    " WHERE batch_id = %s"
)


def rest_of(batch_id: str, count: int) -> list[AnyEvent]:
    return [read(n, batch_id=batch_id, index=n) for n in range(count)]


@pytest.mark.parametrize("polls", [1, 2, 7])
def test_a_batch_that_was_half_done_goes_on(old: str, polls: int) -> None:
    migrate(old)
    with open_database(old) as connection:
        events = rest_of("old-1", 58)
        for part in range(polls):
            write(connection, *events[part::polls])
            write(connection, *events[part::polls])
        ended = ("forms", "FAILURE", 100, 98, 2, 0, 0, 0, 0, 1)
        assert one(connection, BATCH, "old-1") == ended
        told = "SELECT started_at, finished_at, initiated_by, options FROM batch_executions"
        assert one(connection, f"{told} WHERE batch_id = 'old-1'") == (
            datetime(2024, 6, 1, 12),  # noqa: DTZ001 (the tables' times have no zone)
            NOON.replace(tzinfo=None),
            "someone",
            {"lang": "en"},
        )
        (value,) = one(connection, "SELECT value FROM recorder_outbox")
        completed = msgspec.json.decode(value, type=BatchCompleted)
        assert (completed.status, completed.completed_images) == ("FAILURE", 98)


def test_an_old_batch_that_is_announced_again_or_cancelled(old: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        named = BatchSubmitted(
            batch_id="old-1", batch_name="named", total_images=120, submitted_at=NOON
        )
        write(connection, named)
        assert one(connection, BATCH, "old-1")[:6] == ("named", "RUNNING", 120, 40, 2, 0)
        write(connection, BatchRevoked(batch_id="old-1", run=1, revoked_at=NOON))
        assert one(connection, BATCH, "old-1")[:6] == ("named", "REVOKED", 120, 40, 2, 78)


def test_old_batches_that_had_ended_or_hardly_begun(old: str) -> None:
    migrate(old)
    with open_database(old) as connection:
        late = OcrFailed(
            image_path="/new/1.png",
            chain_id="late",
            task_id="late",
            batch_id="old-0",
            submitted_at=NOON,
            finished_at=NOON,
            reason=Reason.ENGINE,
            error="it broke",
        )
        write(connection, late)
        assert one(connection, BATCH, "old-0")[1:5] == ("FAILURE", 101, 100, 1)
        write(connection, *rest_of("old-2", 3))
        assert one(connection, BATCH, "old-2")[1:5] == ("RUNNING", 0, 3, 0)
        announced = BatchSubmitted(
            batch_id="old-2", total_images=3, chunk_size=2, submitted_at=NOON
        )
        write(connection, announced)
        assert one(connection, BATCH, "old-2") == (None, "SUCCESS", 3, 3, 0, 0, 2, 2, 0, 1)


async def test_times_in_another_zone(old: str) -> None:
    migrate(old)
    zone = DatabaseZone("Europe/Berlin")
    with open_database(old) as connection:
        write(connection, read(1, batch_id="old-1", index=1), zone=zone)
        assert one(
            connection, "SELECT finished_at FROM task_logs WHERE task_id = 'new-task-1'"
        ) == (datetime(2026, 5, 1, 14),)  # noqa: DTZ001 (local time, as the old rows have it)
    async with asking(old, zone) as get:
        batch = await get("/v1/batches/old-1")
        assert batch["started_at"] == "2024-06-01T10:00:00Z"
        chain = await get("/v1/chains/old-chain-1")
        assert chain["started_at"] == "2024-06-01T10:00:01Z"
        assert (await get("/v1/chains/new-chain-1"))["finished_at"] == "2026-05-01T12:00:00Z"
