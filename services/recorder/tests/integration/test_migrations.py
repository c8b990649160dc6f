"""The revisions: what they make, from everywhere, together, interrupted, and linted."""

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from old_database import (
    TABLES,
    checksums,
    columns_of,
    empty_database,
    fill,
    schema_of,
)
from psycopg import Connection
from real_servers import fresh_database
from recorder_rows import submit_again
from sqlalchemy import JSON, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from write_poll import write_poll

from ocrstream_recorder.database.tables import Base
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.migrations import migrate
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRetryRequested,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TextBox,
)
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.times import CLOCK_SKEW, record_timestamp_ms
from ocrstream_schemas.topics import IMAGES_SUBMITTED, OCR_RESULTS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[4]
REVISIONS = migrate.revisions()
HONEST = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Contract(NamedTuple):
    columns: str
    indexes: str
    foreign_key: str = ""


# What the recorder adds is not listed.
CONTRACT = {
    "batch_executions": Contract(
        columns="id integer, batch_id varchar(255), batch_name varchar(255), status varchar(20),"
        " total_images integer, completed_images integer, failed_images integer,"
        " total_chunks integer, completed_chunks integer, failed_chunks integer,"
        " chunk_size integer, started_at timestamp, finished_at timestamp,"
        " initiated_by varchar(100), input_data json, options json, final_result json,"
        " error_message text, created_at timestamp, updated_at timestamp",
        indexes="unique batch_id; batch_name; status; status, started_at; batch_name, status",
    ),
    "chain_executions": Contract(
        columns="id integer, chain_id varchar(255), celery_task_id varchar(255),"
        " chain_name varchar(255), batch_id varchar(255), status varchar(20), total_tasks integer,"
        " completed_tasks integer, failed_tasks integer, started_at timestamp,"
        " finished_at timestamp, initiated_by varchar(100), input_data json, final_result json,"
        " error_message text, created_at timestamp, updated_at timestamp",
        indexes="chain_id; celery_task_id; chain_name; batch_id; status; status, started_at;"
        " chain_name, status; unique chain_id WHERE (run > 0)",
        foreign_key="(batch_id) REFERENCES batch_executions(batch_id)",
    ),
    "task_logs": Contract(
        columns="id integer, task_id varchar(255), task_name varchar(255), status varchar(50),"
        " error varchar(512), started_at timestamp, finished_at timestamp, retries integer,"
        " chain_execution_id integer, created_at timestamp, updated_at timestamp",
        indexes="unique task_id; task_name; status; started_at; task_name, status;"
        " started_at DESC; chain_execution_id, status",
        foreign_key="(chain_execution_id) REFERENCES chain_executions(id) ON DELETE SET NULL",
    ),
    "ocr_executions": Contract(
        columns="id bigint, chain_id varchar(255), image_path varchar(255),"
        " public_path varchar(255), status varchar(50), error text, created_at timestamp,"
        " updated_at timestamp",
        indexes="chain_id; unique image_path; unique public_path; status",
    ),
    "ocr_text_boxes": Contract(
        columns="id bigint, ocr_execution_id bigint, text text, confidence double precision,"
        " bbox json, created_at timestamp, updated_at timestamp",
        indexes="ocr_execution_id; confidence",
        foreign_key="(ocr_execution_id) REFERENCES ocr_executions(id) ON DELETE CASCADE",
    ),
}
DEFAULTS = {"chunk_size": "10", "status": "'PENDING'::character varying"}
RENAMED = {"folded": "fingerprints"}
"""Columns that a later revision has renamed."""


@contextlib.contextmanager
def open_database(url: str) -> Generator[Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def default_differs(_: Any, column: Any, __: Any, found: str, ___: Any, wanted: str) -> bool | None:
    """Two values of json cannot be compared by the server; None leaves it to Alembic."""
    return found != f"{wanted}::json" if isinstance(column.type, JSON) and found else None


def is_not_computed(one: Any, *_: Any) -> bool:
    """Alembic 1.20 cannot compare computed columns."""
    return getattr(one, "computed", None) is None


def test_the_tables_are_those_of_the_orm(database_url: str) -> None:
    engine = create_engine(migrate.sqlalchemy_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": migrate.VERSION_TABLE,
                "compare_server_default": default_differs,
                "include_object": is_not_computed,
            },
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_those_of_the_contract(database_url: str, table: str) -> None:
    columns, indexes, foreign_key = CONTRACT[table]
    with open_database(database_url) as connection:
        found = {
            name: (kind.replace("character varying", "varchar"), nullable, default)
            for name, kind, nullable, default in connection.execute(
                "SELECT attname, replace(format_type(atttypid, atttypmod), ' without time zone',"
                " ''), NOT attnotnull, pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN"
                " pg_attrdef ON adrelid = attrelid AND adnum = attnum"
                " WHERE attrelid = %s::regclass AND attnum > 0",
                (table,),
            )
        }
        for column in columns.split(", "):
            name, _, kind = column.partition(" ")
            assert found[name][0] == kind, name
            if kind == "integer" and name not in {"id", "chain_execution_id"}:
                assert found[name] == ("integer", False, DEFAULTS.get(name, "0"))
        assert {found[name][1:] for name in ("created_at", "updated_at")} == {
            (False, "timezone('utc'::text, now())")
        }
        if table in {"batch_executions", "chain_executions"}:
            assert found["status"][1:] == (False, DEFAULTS["status"])

        definitions = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = %s", (table,)
        ).fetchall()
        made = {definition.partition(" USING btree ")[2] for (definition,) in definitions}
        unique = {
            definition.partition(" USING btree ")[2]
            for (definition,) in definitions
            if "UNIQUE" in definition
        }
        assert "(id)" in unique
        for index in indexes.split("; "):
            keys, where, predicate = index.removeprefix("unique ").partition(" WHERE ")
            wanted = f"({keys}){where}{predicate}"
            assert wanted in made
            assert (wanted in unique) == index.startswith("unique ")
        keys_found = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' AND conrelid = %s::regclass",
            (table,),
        ).fetchall()
        assert keys_found == ([(f"FOREIGN KEY {foreign_key}",)] if foreign_key else [])


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_every_revision_a_new_database_goes_on(postgres_url: str, revision: str) -> None:
    with empty_database(postgres_url) as url:
        assert migrate.migrate(url, revision) == revision
        goes_on(url, postgres_url, lambda connection: fill(connection, 60))


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_every_revision_an_old_database_goes_on(old_template: str, revision: str) -> None:
    with fresh_database(old_template) as direct, fresh_database(old_template) as url:
        migrate.migrate(direct)
        assert migrate.migrate(url, revision) == revision
        goes_on(url, direct, lambda _: None)


def goes_on(url: str, direct: str, prepare: Callable[[Connection[Any]], None]) -> None:
    with open_database(url) as connection:
        prepare(connection)
        columns = columns_of(connection)
        before = checksums(connection, columns)
    assert not any(summed.startswith("0 rows") for summed in before.values())
    assert migrate.migrate(url) == REVISIONS[-1]
    now = {table: [RENAMED.get(name, name) for name in names] for table, names in columns.items()}
    with open_database(url) as connection, open_database(direct) as other:
        assert checksums(connection, now) == before
        assert schema_of(connection) == schema_of(other)
        migrate.check_revision(connection)


def without_some_indexes(url: str) -> None:
    with open_database(url) as connection:
        connection.execute("DROP INDEX ix_task_logs_task_name, ix_ocr_text_boxes_confidence")


def test_several_at_once_migrate_once(old_template: str) -> None:
    with fresh_database(old_template) as url:
        without_some_indexes(url)
        reached: list[str] = []
        threads = [
            threading.Thread(target=lambda: reached.append(migrate.migrate(url))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reached == [REVISIONS[-1]] * 3
        with open_database(url) as connection:
            assert all(valid for _, valid in schema_of(connection)["indexes"])


MIGRATE = (
    "import sys; from ocrstream_recorder.migrations.migrate import migrate; migrate(sys.argv[1])"
)


@pytest.mark.parametrize(
    ("held", "waiting"),
    [
        # A reader that does not end: a column cannot be added to what it reads.
        ("LOCK TABLE task_logs IN ACCESS SHARE MODE", "ALTER TABLE%"),
        # A snapshot that does not end: an index that is made concurrently waits for it.
        ("SELECT count(*) FROM alembic_version", "CREATE%INDEX CONCURRENTLY%"),
    ],
)
def test_killed_half_way_it_goes_on_when_run_again(
    old_template: str, held: LiteralString, waiting: str
) -> None:
    with fresh_database(old_template) as direct, fresh_database(old_template) as url:
        without_some_indexes(direct)
        without_some_indexes(url)
        migrate.migrate(direct)
        with open_database(url) as connection:
            columns = columns_of(connection)
            before = checksums(connection, columns)
        with open_database(url) as watcher, psycopg.connect(url) as holder:
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.execute(held)
            with subprocess.Popen([sys.executable, "-c", MIGRATE, url]) as process:
                try:
                    backend = wait_for_backend(watcher, process, waiting)
                finally:
                    process.kill()
            # The server notices a client that is gone only when it talks to it.
            watcher.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
            invalid = [one for one, valid in schema_of(watcher)["indexes"] if not valid]
            assert bool(invalid) == ("INDEX" in waiting)
        assert migrate.migrate(url) == REVISIONS[-1]
        with open_database(url) as connection, open_database(direct) as other:
            assert checksums(connection, columns) == before
            assert schema_of(connection) == schema_of(other)


def wait_for_backend(
    watcher: Connection[Any], process: subprocess.Popen[bytes], statement: str
) -> int:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        row = watcher.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE %s",
            (statement,),
        ).fetchone()
        if row is not None:
            return row[0]
        time.sleep(0.05)
    pytest.fail(f"it did not come to wait for {statement}")


def test_images_from_before_are_queued_for_searches_even_if_interrupted(old: str) -> None:
    migrate.migrate(old, "0007")
    with open_database(old) as connection:
        queued = "SELECT count(*), count(DISTINCT ocr_execution_id) FROM recorder_search_queue"
        images = connection.execute("SELECT count(*) FROM ocr_executions").fetchone()
        assert images
        assert connection.execute(queued).fetchone() == (*images, *images)
        # As after a kill before the last statement: all that came before it is there.
        connection.execute("UPDATE recorder_revision SET version_num = '0006'")
        assert migrate.migrate(old, "0007") == "0007"
        assert connection.execute(queued).fetchone() == (2 * images[0], *images)


@pytest.mark.parametrize(("before", "after"), [("0012", "0013"), ("0015", "0016")])
def test_images_with_keys_from_before_are_queued_for_new_ones_even_if_interrupted(
    old: str, before: str, after: str
) -> None:
    migrate.migrate(old, before)
    with open_database(old) as connection:
        indexed = "INSERT INTO recorder_search SELECT id, '{1}' FROM ocr_executions LIMIT 1"
        (images,) = connection.execute("SELECT count(*) FROM ocr_executions").fetchall()
        for _ in range(2):
            connection.execute(indexed)
            # As after a kill before the last statement, the second time.
            connection.execute("UPDATE recorder_revision SET version_num = %s", (before,))
            assert migrate.migrate(old, after) == after
            queued = connection.execute("SELECT ocr_execution_id FROM recorder_search_queue")
            assert (len(queued.fetchall()),) == images
            assert connection.execute("SELECT FROM recorder_search").fetchall() == []


def test_tables_and_columns_that_get_other_names_keep_what_they_hold(old: str) -> None:
    migrate.migrate(old, "0014")
    with open_database(old) as connection:
        connection.execute(
            "INSERT INTO recorder_rereads (request_id, requested_at) VALUES ('r', now())"
        )
        kept = "(request_id, image_path, next_chain_id, next_run, run, boxes)"
        connection.execute(
            f"INSERT INTO recorder_readings {kept} VALUES ('r', 'a', 'c', 2, 1, '[]')"
        )
        connection.execute("UPDATE chain_executions SET folded = '\\x01'")
        assert migrate.migrate(old, "0015") == "0015"
        assert connection.execute("SELECT request_id FROM recorder_reprocessings").fetchall() == [
            ("r",)
        ]
        connection.execute(
            f"INSERT INTO recorder_result_versions {kept} VALUES ('r', 'b', 'd', 2, 1, '[]')"
        )
        rows = connection.execute("SELECT id, image_path FROM recorder_result_versions ORDER BY id")
        assert rows.fetchall() == [(1, "a"), (2, "b")]
        found = connection.execute("SELECT DISTINCT fingerprints FROM chain_executions").fetchall()
        assert found == [(b"\x01",)]
        stale = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE '%reread%' OR relname LIKE '%reading%'"
        )
        assert stale.fetchall() == []


def test_a_path_that_a_result_of_2099_holds_can_be_read_again(postgres_url: str) -> None:
    # More zones than UTC, in which the bound is another local time.
    zone = DatabaseZone("Asia/Seoul")
    with empty_database(postgres_url) as url, open_database(url) as connection:
        migrate.migrate(url, "0015")
        write_forged(connection, zone)
        for _ in range(2):
            # As after a kill before the last statement, the second time.
            connection.execute("UPDATE recorder_revision SET version_num = '0015'")
            assert migrate.migrate(url, zone=zone.name) == REVISIONS[-1]
        now = datetime.now(UTC)
        held, honest = connection.execute(
            "SELECT submitted_at FROM ocr_executions ORDER BY image_path"
        ).fetchall()
        assert now < zone.to_utc(held[0]) <= now + CLOCK_SKEW
        assert zone.to_utc(honest[0]) == HONEST
        bounded, kept = connection.execute(
            "SELECT last_event_at, run_began_at FROM batch_executions ORDER BY batch_id"
        ).fetchall()
        assert all(now < zone.to_utc(moment) <= now + CLOCK_SKEW for moment in bounded)
        assert [zone.to_utc(moment) for moment in kept] == [HONEST, HONEST]
        (pending,) = connection.execute("SELECT requested_at FROM recorder_retries").fetchall()
        assert now < pending[0] <= now + CLOCK_SKEW

        # Asked for by a clock that is behind.
        request = BatchRetryRequested(batch_id="b", request_id="s", requested_at=HONEST)
        write_events(connection, zone, request)
        connection.execute("DELETE FROM recorder_retries WHERE request_id = 'forged'")
        submit_again(connection)
        (again,) = connection.execute(
            "SELECT value FROM recorder_outbox WHERE topic = 'images.submitted'"
        ).fetchall()
        image = decode_produced(IMAGES_SUBMITTED, again[0])
        assert isinstance(image, ImageSubmitted)
        box = TextBox(text="true", confidence=0.5, bbox=((0, 0), (1, 0), (1, 1), (0, 1)))
        result = OcrSucceeded(
            chain_id="c",
            image_path=image.image_path,
            batch_id="b",
            run=image.run,
            submitted_at=image.submitted_at,
            boxes=(box,),
        )
        write_events(connection, zone, decode_produced(OCR_RESULTS, encode(result)))
        texts = connection.execute("SELECT text FROM ocr_text_boxes").fetchall()
        assert texts == [("true",)]


def write_forged(connection: Connection[Any], zone: DatabaseZone) -> None:
    """An honest result, one that claims to be of 2099, and a retry that does."""
    forged = datetime(2099, 1, 1, tzinfo=UTC)
    for path, moment in (("1", forged), ("2", HONEST)):
        failed = OcrFailed(
            chain_id="c" * int(path),
            task_id=path,
            image_path=f"file:///{path}.png",
            batch_id="b" * int(path),
            submitted_at=moment,
            finished_at=moment,
            reason=Reason.ENGINE,
            error="forged",
        )
        write_events(connection, zone, failed)
    request = BatchRetryRequested(batch_id="b", request_id="forged", requested_at=forged)
    write_events(connection, zone, request)


def write_events(connection: Connection[Any], zone: DatabaseZone, *events: AnyEvent) -> None:
    changes = PollChanges(changes_of(event, zone.to_local) for event in events)
    write_poll(connection, changes, zone)


def decode_produced(topic: str, value: bytes) -> AnyEvent:
    """The event as readers get it, after one of our own producers has written it now."""
    timestamp_ms = record_timestamp_ms(value, int(time.time() * 1000))
    return decode(topic, value, RecordRef(topic, 0, 0, timestamp_ms))


def test_a_table_in_use_is_not_waited_for_long(old_template: str) -> None:
    with fresh_database(old_template) as url, psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM chain_executions")
        with pytest.raises(DBAPIError) as refused:
            migrate.migrate(url)
        said = migrate.explain(refused.value)
        assert said.startswith("55P03: canceling statement due to lock timeout")
        assert "ALTER TABLE chain_executions ADD COLUMN" in said
        assert "run it again in a quieter moment" in said
        reader.rollback()
        assert migrate.migrate(url) == REVISIONS[-1]


def test_the_command_says_why_not(old_template: str) -> None:
    def run(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ocrstream_recorder", "migrate"],
            env={"DATABASE_URL": url, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    with fresh_database(old_template) as url:
        with open_database(url) as connection:
            connection.execute("ALTER TABLE task_logs ADD worker text")
        refused = run(url)
        assert refused.returncode == 1
        assert "Not migrated: this database cannot be taken over as it is" in refused.stderr
        assert "task_logs has a column worker" in refused.stderr
    away = run("postgresql://nobody@127.0.0.1:1/none")
    assert away.returncode == 1
    assert "see whether the database at DATABASE_URL can be reached" in away.stderr
    assert "Traceback" not in refused.stderr + away.stderr


def lint(statements: str, *also_excluded: str) -> None:
    kept = tomllib.loads((ROOT / ".squawk.toml").read_text(encoding="utf-8"))
    excluded = [*kept["excluded_rules"], *also_excluded]
    linted = subprocess.run(
        [
            Path(sys.executable).with_name("squawk"),
            *("--pg-version", kept["pg_version"], "--reporter", "gcc"),
            *(f"--exclude={rule}" for rule in excluded),
        ],
        input=statements,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("start", "end"), list(zip(["base", *REVISIONS], REVISIONS, strict=False)), ids=REVISIONS
)
def test_revisions_are_linted(start: str, end: str) -> None:
    config = migrate.config()
    config.output_buffer = io.StringIO()
    command.upgrade(config, f"{start}:{end}" if start != "base" else end, sql=True)
    statements = config.output_buffer.getvalue()
    assert f"VALUES ('{end}')" in statements or f"SET version_num='{end}'" in statements
    lint(statements)


def test_what_a_take_over_really_executes_is_linted(old_template: str) -> None:
    executed: list[str] = []

    def keep(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().startswith(("CREATE", "ALTER", "DROP", "SET")):
            return
        # Nobody uses a table yet that was made a moment ago.
        known = statement.replace("IF NOT EXISTS ", "")
        indexed = re.match(r"CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)", known)
        made = "CREATE TABLE {0} |CREATE TABLE IF NOT EXISTS {0} "
        if indexed and any(re.search(made.format(indexed[1]), one) for one in executed):
            return
        alone = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        executed.append(f"{statement};" if alone else f"BEGIN;\n{statement};\nCOMMIT;")

    with fresh_database(old_template) as url:
        without_some_indexes(url)
        with open_database(url) as connection:
            connection.execute("ALTER TABLE task_logs ALTER task_name TYPE varchar(40)")
            connection.execute(
                "ALTER TABLE task_logs DROP CONSTRAINT task_logs_chain_execution_id_fkey"
            )
        event.listen(Engine, "before_cursor_execute", keep)
        try:
            migrate.migrate(url)
        finally:
            event.remove(Engine, "before_cursor_execute", keep)
    assert any("CREATE INDEX CONCURRENTLY" in statement for statement in executed)
    assert any("ALTER COLUMN task_name TYPE VARCHAR(255)" in one for one in executed)
    # A varchar that grows is not rewritten; what was done already is left out when run again.
    lint("\n".join(executed), "changing-column-type", "prefer-robust-stmts")


def test_only_the_owner_may_migrate(old_template: str) -> None:
    with fresh_database(old_template) as url:
        with open_database(url) as connection:
            connection.execute("DROP ROLE IF EXISTS takeover_guest")
            connection.execute(
                "CREATE ROLE takeover_guest; GRANT CREATE ON SCHEMA public TO PUBLIC"
            )
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO takeover_guest")
        try:
            with pytest.raises(DBAPIError) as refused:
                migrate.migrate(f"{url}?options=-c%20role%3Dtakeover_guest")
        finally:
            with open_database(url) as connection:
                connection.execute("DROP OWNED BY takeover_guest; DROP ROLE takeover_guest")
        assert "run it as the owner" in migrate.explain(refused.value)
