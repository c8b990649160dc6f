"""Brings the database to the newest revision."""

import time
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import Connection
from sqlalchemy import Connection as MigrationConnection
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from ocrstream_recorder.errors import WrongRevisionError

VERSION_TABLE: LiteralString = "recorder_revision"
"""Not Alembic's own name: a database that is taken over may hold that of the system before."""

_LOCK_KEY = 0x0C25_72EA  # any number that no one else's advisory lock uses
_LOCK_POLL_S = 0.2


def sqlalchemy_url(database_url: str) -> str:
    """The URL with the driver that SQLAlchemy is to use."""
    return "postgresql+psycopg://" + database_url.split("://", 1)[1]


def check_revision(connection: Connection[Any]) -> None:
    """Raises WrongRevisionError unless the database is at the newest revision."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_regclass('{VERSION_TABLE}') IS NOT NULL")
        row = cursor.fetchone()
        if row and row[0]:
            cursor.execute(f"SELECT version_num FROM {VERSION_TABLE}")
            row = cursor.fetchone()
    found = row[0] if row else None
    wanted = revisions()[-1]
    if found != wanted:
        raise WrongRevisionError(
            f"the database is at revision {found or 'none'}, this recorder works with {wanted};"
            " run: ocrstream-recorder migrate"
        )


def revisions() -> list[str]:
    """Ids of all revisions, the first one first."""
    script = ScriptDirectory.from_config(config())
    return [one.revision for one in script.walk_revisions()][::-1]


def config() -> Config:
    """Alembic's configuration."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("path_separator", "os")
    return found


def migrate(database_url: str, revision: str = "head", *, zone: str = "UTC") -> str:
    """Run all missing revisions up to `revision` and return the id of the one reached.

    Several may call this at once: one runs, the others wait for it. Interrupted anywhere, it goes
    on where it stood when it is run again. `zone` is the time zone of the tables' times.

    Raises CannotTakeOverError if the database holds tables that stand against it, and SQLAlchemy's
    DBAPIError for whatever else the database has to say.
    """
    alembic = config()
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            _lock(connection)
            alembic.attributes["connection"] = connection
            alembic.attributes["zone"] = zone
            command.upgrade(alembic, revision)
            connection.commit()
            return str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")))
    finally:
        engine.dispose()


def explain(error: DBAPIError) -> str:
    """What the database said while it was migrated, and what to do."""
    cause = error.orig
    said = f"{getattr(cause, 'sqlstate', None) or type(cause).__name__}: {str(cause).strip()}"
    match cause:
        case psycopg.errors.LockNotAvailable() | psycopg.errors.DeadlockDetected():
            todo = "somebody uses the table all the time; run it again in a quieter moment"
        case psycopg.errors.UniqueViolation():
            todo = "rows came in meanwhile: stop the system before this one, and run it again"
        case psycopg.errors.InsufficientPrivilege():
            todo = "run it as the owner of the tables"
        case psycopg.OperationalError() if not cause.sqlstate:
            todo = "see whether the database at DATABASE_URL can be reached"
        case _:
            todo = "what was done stays; when the cause is gone, run it again"
    statement = f" (at: {error.statement})" if error.statement else ""
    return f"{said}{statement}; {todo}"


def _lock(connection: MigrationConnection) -> None:
    """Wait to be the only one; the lock is the session's and ends with it.

    A statement that waits for the lock would itself be waited for by an index that the other one
    makes concurrently, in a circle; so this asks again and again.
    """
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}):
        connection.commit()
        time.sleep(_LOCK_POLL_S)
    connection.commit()
