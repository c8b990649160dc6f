"""Whole systems for the tests that look from outside."""

from collections.abc import Generator
from pathlib import Path

import pytest
from real_servers import Broker, fresh_database
from whole_system import System


@pytest.fixture(scope="module")
def system(
    kafka_bootstrap: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[System]:
    """Ingest, a recorder and a worker with the noop engine, ready."""
    with fresh_database(postgres_url) as database:
        system = System(tmp_path_factory.mktemp("system"), kafka_bootstrap, database)
        try:
            for name in ("recorder", "ingest", "worker-1"):
                system.start(name, wait=False)
            for name in ("recorder", "ingest", "worker-1"):
                system.wait(name)
            yield system
        finally:
            system.stop()


@pytest.fixture
def bare_system(kafka_bootstrap: str, database_url: str, tmp_path: Path) -> Generator[System]:
    """A system for one test alone, nothing of it started."""
    system = System(tmp_path, kafka_bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture
def own_system(own_broker: Broker, database_url: str, tmp_path: Path) -> Generator[System]:
    """As `bare_system`, with topics that no other test reads: what is written may be any harm."""
    system = System(tmp_path, own_broker.bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()
