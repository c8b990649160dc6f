"""Connections to a test's database, and databases of the system before the recorder."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from old_database import old_database
from psycopg import Connection
from real_servers import fresh_database


@pytest.fixture
def connection(database_url: str) -> Generator[Connection[Any]]:
    """To the test's database, in autocommit; its times are UTC's."""
    with psycopg.connect(database_url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture(scope="session")
def old_template(postgres_url: str) -> Generator[str]:
    """URL of a small old database to copy; nobody else may be connected to it."""
    with old_database(postgres_url, 200) as url:
        yield url


@pytest.fixture
def old(old_template: str) -> Generator[str]:
    """URL of a small old database, not migrated, for one test."""
    with fresh_database(old_template) as url:
        yield url
