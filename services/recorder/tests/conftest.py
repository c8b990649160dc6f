"""Databases of the system before the recorder."""

from collections.abc import Generator

import pytest
from old_database import old_database
from real_servers import fresh_database


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
