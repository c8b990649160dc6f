"""Brings the database to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

_LOCK_KEY = 0x0C25_72EA  # any number that no one else's advisory lock uses


def sqlalchemy_url(database_url: str) -> str:
    """The URL with the driver that SQLAlchemy is to use."""
    return "postgresql+psycopg://" + database_url.split("://", 1)[1]


def migrate(database_url: str) -> str:
    """Run all missing revisions and return the newest one's id.

    Several may call this at once: one runs, the others wait for it.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
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
