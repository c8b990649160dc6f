"""What an old database's tables may look like: fitted where they differ a little, else refused."""

import re
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from old_database import checksums, columns_of, schema_of
from taken_over import NOON, filenodes, one, open_database, read, write

from ocrstream_recorder.errors import CannotTakeOverError
from ocrstream_recorder.migrations.migrate import migrate
from ocrstream_schemas.events import BatchSubmitted

pytestmark = pytest.mark.integration

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
