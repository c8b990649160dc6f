"""Brings the database to the newest revision."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import Connection
from sqlalchemy import create_engine, text

_LOCK_KEY = 0x0C25_72EA  # any number that no one else's advisory lock uses


def sqlalchemy_url(database_url: str) -> str:
    """The URL with the driver that SQLAlchemy is to use."""
    return "postgresql+psycopg://" + database_url.split("://", 1)[1]


class WrongRevisionError(Exception):
    """The database is not at the revision that this version of the recorder works with."""


def check_revision(connection: Connection[Any]) -> None:
    """Raises WrongRevisionError unless the database is at the newest revision."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        row = cursor.fetchone()
        if row and row[0]:
            cursor.execute("SELECT version_num FROM alembic_version")
            row = cursor.fetchone()
    found = row[0] if row else None
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise WrongRevisionError(
            f"the database is at revision {found or 'none'}, this recorder works with {wanted};"
            " run: ocrstream-recorder migrate"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database_url: str) -> str:
    """Run all missing revisions and return the newest one's id.

    Several may call this at once: one runs, the others wait for it.
    """
    config = _config()
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})
            connection.commit()
            return str(revision)
    finally:
        engine.dispose()
