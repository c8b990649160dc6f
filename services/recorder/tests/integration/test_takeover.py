"""A database of the system before: taken over with its rows as they are, and recorded in."""

import contextlib
import re
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import httpx
import msgspec
import psycopg
import pytest
from old_database import TABLES, checksums, columns_of, old_database, schema_of
from psycopg import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.domain.contribution import contribute
from ocrstream_recorder.domain.ledger import Ledger
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store import poll
from ocrstream_recorder.store.migrate import migrate, sqlalchemy_url
from ocrstream_recorder.store.takeover import CannotTakeOverError
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.events import (
    AnyEvent,
    BatchCompleted,
    BatchRevoked,
    BatchSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TaskSucceeded,
    TextBox,
)

pytestmark = pytest.mark.integration

IMAGES = 10_000
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
UTC_ZONE = DatabaseZone("UTC")
BOX = TextBox(text="new", confidence=0.5, bbox=((0, 0), (9.5, 0), (9.5, 4), (0, 4)))


@contextlib.contextmanager
def open_database(url: str) -> Generator[Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def write(
    connection: Connection[Any], *events: AnyEvent, zone: DatabaseZone = UTC_ZONE
) -> poll.Written:
    ledger = Ledger(contribute(event, zone.to_local) for event in events)
    return poll.write(connection, ledger, zone, "cluster", {})


def one(connection: Connection[Any], query: LiteralString, *parameters: Any) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def read(number: int, **told: Any) -> OcrSucceeded:
    told = {
        "image_path": f"/new/{number}.png",
        "chain_id": f"new-chain-{number}",
        "task_id": f"new-task-{number}",
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "boxes": (BOX,),
        **told,
    }
    return OcrSucceeded(**told)


@contextlib.asynccontextmanager
async def read_api(url: str, zone: DatabaseZone = UTC_ZONE) -> AsyncGenerator[Any]:
    engine = create_async_engine(sqlalchemy_url(url))
    transport = httpx.ASGITransport(
        create_api(engine, zone, Health(), LetterBox(ServiceSettings()))
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:

        async def get(path: str, **parameters: Any) -> Any:
            answer = await client.get(path, params=parameters)
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield get
    await engine.dispose()


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

        async with read_api(url) as get:
            batch = await get("/v1/batches/new")
            assert (batch["status"], batch["completed_images"]) == ("SUCCESS", 300)
            await walk_everything(get)


def filenodes(connection: Connection[Any]) -> dict[str, int]:
    return {
        table: one(connection, "SELECT pg_relation_filenode(%s::regclass)", table)[0]
        for table in TABLES
    }


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
        async with read_api(old) as get:
            chain = await get("/v1/chains/old-chain-100")
            assert (chain["run"], chain["status"]) == (1, "SUCCESS")
        write(connection, read(3, chain_id="old-chain-3", batch_id="old-3", index=3))
        async with read_api(old) as get:
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
    async with read_api(old, zone) as get:
        batch = await get("/v1/batches/old-1")
        assert batch["started_at"] == "2024-06-01T10:00:00Z"
        chain = await get("/v1/chains/old-chain-1")
        assert chain["started_at"] == "2024-06-01T10:00:01Z"
        assert (await get("/v1/chains/new-chain-1"))["finished_at"] == "2026-05-01T12:00:00Z"


UNLIKE: LiteralString = """
ALTER TABLE task_logs ALTER id TYPE bigint, ALTER chain_execution_id TYPE bigint;
ALTER TABLE chain_executions ALTER id TYPE bigint;
ALTER TABLE batch_executions ALTER id TYPE bigint;
ALTER SEQUENCE task_logs_id_seq AS bigint RESTART 5000000000;
ALTER SEQUENCE chain_executions_id_seq AS bigint RESTART 5000000000;
ALTER SEQUENCE batch_executions_id_seq AS bigint RESTART 5000000000;
ALTER TABLE chain_executions ALTER input_data TYPE jsonb;
ALTER TABLE ocr_text_boxes ALTER bbox TYPE jsonb, ALTER confidence TYPE real;
ALTER TABLE ocr_text_boxes ALTER text DROP NOT NULL, ADD language varchar(8);
ALTER TABLE ocr_executions ALTER image_path TYPE varchar(60), ALTER error TYPE varchar(80);
ALTER TABLE task_logs ALTER error TYPE text, ALTER retries SET DEFAULT 1;
ALTER TABLE ocr_text_boxes DROP CONSTRAINT ocr_text_boxes_ocr_execution_id_fkey;
ALTER TABLE ocr_text_boxes ADD CONSTRAINT "Boxes' image" FOREIGN KEY (ocr_execution_id)
    REFERENCES ocr_executions (id);
ALTER TABLE chain_executions DROP CONSTRAINT chain_executions_batch_id_fkey;
UPDATE chain_executions SET batch_id = 'never-there' WHERE id % 9 = 0;
DROP INDEX ix_ocr_executions_image_path;
CREATE INDEX ix_ocr_executions_image_path ON ocr_executions (image_path);
DROP INDEX ix_ocr_executions_public_path;
ALTER TABLE ocr_executions ADD CONSTRAINT public_once UNIQUE (public_path);
DROP INDEX ix_batch_executions_batch_id;
DROP INDEX ix_task_logs_started_at_desc, ix_task_logs_task_name, ix_task_logs_started_at;
"""


def test_tables_that_are_a_little_different_are_fitted(old: str) -> None:
    with open_database(old) as connection:
        connection.execute(UNLIKE)
        columns = columns_of(connection)
        before, files = checksums(connection, columns), filenodes(connection)
        migrate(old)
        assert (checksums(connection, columns), filenodes(connection)) == (before, files)
        schema = schema_of(connection)
        assert all(valid for _, valid in schema["indexes"])
        made = {definition for definition, _ in schema["indexes"]}
        for name, definition in (
            ("uq_ocr_executions_image_path", "ocr_executions USING btree (image_path)"),
            ("ix_batch_executions_batch_id", "batch_executions USING btree (batch_id)"),
        ):
            assert f"CREATE UNIQUE INDEX {name} ON public.{definition}" in made
        assert not any("ix_ocr_executions_public_path" in definition for definition in made)
        assert sum("(started_at DESC)" in definition for definition in made) == 1
        keys = {definition for _, _, definition in schema["constraints"]}
        for key in (
            "FOREIGN KEY (ocr_execution_id) REFERENCES ocr_executions(id) ON DELETE CASCADE",
            "FOREIGN KEY (batch_id) REFERENCES batch_executions(batch_id)",
        ):
            assert f"{key} NOT VALID" in keys
            assert key.removesuffix(" ON DELETE CASCADE") not in keys
        types = {(table, name): (kind, size) for table, name, kind, size, *_ in schema["columns"]}
        assert types["ocr_executions", "image_path"] == ("character varying", 255)
        assert types["ocr_executions", "error"] == ("text", None)
        assert types["task_logs", "error"] == ("text", None)

        path = "/new/" + "x" * 200
        events = [
            read(1, image_path=path, batch_id="old-1", index=0, options={"a": [1.5, None]}),
            read(2, image_path="/data/2.png", batch_id="b", index=0),
            BatchSubmitted(batch_id="b", total_images=1, submitted_at=NOON),
        ]
        write(connection, *events)
        again = write(connection, *events)
        assert {rows.staged for rows in again.rows.values()} == {0}
        assert one(connection, "SELECT max(id) > 2 ^ 31 FROM task_logs") == (True,)
        status = "SELECT status, completed_images FROM batch_executions WHERE batch_id = 'b'"
        assert one(connection, status) == ("SUCCESS", 1)


# What is done to the old tables, what the refusal says, and what mends it where it says no SQL.
REFUSED: list[tuple[LiteralString, str, LiteralString | None]] = [
    (
        'ALTER TABLE batch_executions ADD CONSTRAINT "Late" UNIQUE (batch_id) DEFERRABLE',
        "batch_executions may defer whether (batch_id) is unique",
        None,
    ),
    (
        "ALTER TABLE task_logs DROP COLUMN retries",
        "task_logs has no column retries: ALTER TABLE task_logs ADD retries INTEGER DEFAULT 0",
        None,
    ),
    (
        (
            "CREATE TYPE state AS ENUM ('PENDING', 'STARTED', 'SUCCESS', 'FAILURE', 'aborted');"
            "ALTER TABLE batch_executions ALTER status TYPE state USING status::state"
        ),
        "batch_executions.status is of type state",
        None,
    ),
    (
        "ALTER TABLE task_logs ALTER started_at TYPE timestamptz",
        "task_logs.started_at is of type timestamp with time zone",
        "ALTER TABLE task_logs ALTER started_at TYPE timestamp USING started_at AT TIME ZONE 'UTC'",
    ),
    (
        "ALTER TABLE chain_executions ALTER input_data TYPE text",
        "chain_executions.input_data is of type text",
        None,
    ),
    (
        "ALTER TABLE task_logs ADD worker text",
        "task_logs has a column worker, a name that the recorder needs",
        None,
    ),
    (
        (
            "ALTER TABLE ocr_executions ADD tenant text; UPDATE ocr_executions SET tenant = 'a';"
            "ALTER TABLE ocr_executions ALTER tenant SET NOT NULL"
        ),
        "ocr_executions.tenant must be set, and the recorder does not know it",
        None,
    ),
    (
        "ALTER TABLE ocr_text_boxes ALTER id DROP DEFAULT",
        "ocr_text_boxes.id has no default",
        "ALTER TABLE ocr_text_boxes ALTER id SET DEFAULT nextval('ocr_text_boxes_id_seq')",
    ),
    (
        "ALTER TABLE ocr_text_boxes DROP CONSTRAINT ocr_text_boxes_pkey",
        "ocr_text_boxes has no primary key on id",
        None,
    ),
    (
        (
            "DELETE FROM chain_executions a USING chain_executions b"
            " WHERE a.chain_id = b.chain_id AND a.id > b.id;"
            "ALTER TABLE chain_executions ADD CONSTRAINT once UNIQUE (chain_id)"
        ),
        "chain_executions may have (chain_id) only once, by once",
        "ALTER TABLE chain_executions DROP CONSTRAINT once",
    ),
    (
        "DROP INDEX ix_task_logs_task_id;UPDATE task_logs SET task_id = 'same' WHERE id IN (1, 2)",
        "task_logs.task_id must be unique, and 2 rows have 'same'",
        "UPDATE task_logs SET task_id = 'other' WHERE id = 2",
    ),
    (
        (
            "ALTER TABLE ocr_text_boxes ALTER bbox DROP NOT NULL;"
            "UPDATE ocr_text_boxes SET bbox = NULL WHERE id < 4"
        ),
        "ocr_text_boxes.bbox is NULL in 3 rows",
        "UPDATE ocr_text_boxes SET bbox = '[[0,0],[1,0],[1,1],[0,1]]' WHERE bbox IS NULL",
    ),
    (
        (
            "ALTER TABLE ocr_text_boxes RENAME TO boxes;"
            "CREATE VIEW ocr_text_boxes AS SELECT * FROM boxes"
        ),
        "ocr_text_boxes is a view",
        "DROP VIEW ocr_text_boxes; ALTER TABLE boxes RENAME TO ocr_text_boxes",
    ),
    (
        "CREATE TABLE recorder_outbox (id int)",
        "there is a table recorder_outbox",
        "ALTER TABLE recorder_outbox RENAME TO old_outbox",
    ),
]


def test_what_cannot_be_taken_over_is_refused_untouched(old: str) -> None:
    with open_database(old) as connection:
        for change, said, mend in REFUSED:
            connection.execute(change)
            columns = columns_of(connection)
            before, schema = checksums(connection, columns), schema_of(connection)
            with pytest.raises(CannotTakeOverError) as refused:
                migrate(old)
            told = str(refused.value)
            assert said in told
            assert told.count("\n- ") == 1, f"what came before was mended: {told}"
            assert (checksums(connection, columns), schema_of(connection)) == (before, schema)
            if mend is None:
                found = re.search(r"ALTER TABLE .*$", told)
                assert found is not None, told
                connection.execute(found[0].encode())
            else:
                connection.execute(mend)
        migrate(old)
        write(connection, read(1, batch_id="old-1", index=0))


def test_all_obstacles_are_told_at_once(old: str) -> None:
    with open_database(old) as connection:
        connection.execute("ALTER TABLE task_logs DROP COLUMN retries, DROP COLUMN error")
        connection.execute("ALTER TABLE ocr_executions DROP COLUMN error")
    with pytest.raises(CannotTakeOverError) as refused:
        migrate(old)
    assert str(refused.value).count("\n- ") == 3


def test_the_documented_statements_work_on_a_database_taken_over(old: str) -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Taking over an existing database")[2].partition("\n## ")[0]
    validate, widen = re.findall(r"^```sql\n(.*?)^```", section, re.M | re.S)
    with open_database(old) as connection:
        connection.execute(
            "ALTER TABLE chain_executions DROP CONSTRAINT chain_executions_batch_id_fkey"
        )
        migrate(old)
        before = checksums(connection, columns_of(connection))
        connection.execute(validate)
        connection.execute(widen)
        assert checksums(connection, columns_of(connection)) == before
        invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
        assert one(connection, invalid) == (0,)
        connection.execute("SELECT setval('ocr_executions_id_seq', 5000000000)")
        connection.execute("SELECT setval('ocr_text_boxes_id_seq', 6000000000)")
        public = "https://images/new"
        write(connection, read(1, public_path=public))
        write(connection, read(1, public_path=public, submitted_at=NOON + timedelta(hours=1)))
        assert one(
            connection,
            "SELECT o.id, b.id, public_path FROM ocr_executions o"
            " JOIN ocr_text_boxes b ON b.ocr_execution_id = o.id WHERE o.id > 2147483647",
        ) == (5_000_000_001, 6_000_000_002, public)
        assert migrate(old)


def test_a_database_that_is_not_utf8_is_refused(postgres_url: str) -> None:
    name = "takeover_latin1"
    server = postgres_url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(CannotTakeOverError, match="its encoding is LATIN1"):
                migrate(f"{server}/{name}")
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
