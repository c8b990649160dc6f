"""The read API over a real hot standby, which tells what it has applied so far."""

import shutil
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.conninfo import conninfo_to_dict
from read_api import get, read_api
from read_events import fill
from real_servers import CACHE, discard

from ocrstream_local import processes
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import free_port
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.migrations.migrate import migrate

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
RENAME = "UPDATE batch_executions SET batch_name = %s WHERE batch_id = 'one'"


class Pair(NamedTuple):
    """Addresses of the same database at the primary and at the standby."""

    primary: str
    standby: str


@pytest.fixture
def pair(tmp_path: Path) -> Generator[Pair]:
    primary, standby = (
        PostgresServer(tmp_path / name, CACHE, tmp_path / f"{name}.log", free_port(), durable=False)
        for name in ("primary", "standby")
    )
    with ExitStack() as stack:
        for server in (primary, standby):
            stack.callback(discard, server)
        stack.enter_context(_started(primary))
        migrate(primary.url)
        fill(primary.url, ZONE)
        _copy(primary, standby)
        stack.enter_context(_started(standby))
        yield Pair(primary.url, standby.url)


@contextmanager
def _started(server: PostgresServer) -> Generator[None]:
    process = server.start(print)
    try:
        server.wait(process)
        yield
    finally:
        processes.stop([process], 20)


def _copy(primary: PostgresServer, standby: PostgresServer) -> None:
    """Make the standby from a backup of the primary, which goes on meanwhile."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute("SELECT pg_backup_start('standby', fast => true)")
        shutil.copytree(primary.data, standby.data, ignore=shutil.ignore_patterns("postmaster.*"))
        row = connection.execute("SELECT labelfile FROM pg_backup_stop()").fetchone()
    assert row is not None
    (standby.data / "backup_label").write_text(row[0], encoding="utf-8")
    told = conninfo_to_dict(primary.url)
    source = " ".join(f"{name}={told[name]}" for name in ("host", "port", "user", "password"))
    with (standby.data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"primary_conninfo = '{source}'\n")
    (standby.data / "standby.signal").touch()
    owner = primary.data.stat()
    for path in (standby.data, *standby.data.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    standby.folder.mkdir(exist_ok=True)
    shutil.copy(primary.folder / "password", standby.folder / "password")


def until_applied(pair: Pair) -> None:
    """Returns when the standby has applied all that the primary has written."""
    deadline = time.monotonic() + 30
    with (
        psycopg.connect(pair.primary, autocommit=True) as primary,
        psycopg.connect(pair.standby, autocommit=True) as standby,
    ):
        written = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert written is not None
        applied = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        while standby.execute(applied, written).fetchone() != (True,):
            assert time.monotonic() < deadline, f"{written} was not applied"
            time.sleep(0.01)


def repeated() -> float:
    return REGISTRY.get_sample_value("ocrstream_recorder_answers_repeated_total") or 0.0


async def test_a_standby_tells_what_it_has_applied(pair: Pair) -> None:
    before = repeated()
    with psycopg.connect(pair.primary, autocommit=True) as primary:
        async with read_api(pair.standby, ZONE) as api:
            for number in range(20):
                primary.execute(RENAME, (f"name {number}",))
                until_applied(pair)
                for _ in range(3):
                    batch = await get(api, "/v1/batches/one")
                    assert batch["batch_name"] == f"name {number}"
    # It cannot tell whether an answer still holds, so none is given again.
    assert repeated() == before
