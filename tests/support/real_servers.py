"""Real servers of the tests' own: brokers that may be killed, fresh databases."""

import contextlib
import secrets
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ocrstream_local import processes
from ocrstream_local.errors import StackError
from ocrstream_local.kafka import KafkaServer
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import Process, free_port

LOCAL = Path(__file__).parents[2] / ".local" / "test"
CACHE = LOCAL.with_name("cache")


@dataclass
class Broker:
    """A real broker that tests may kill and start again."""

    server: KafkaServer
    process: Process

    @property
    def bootstrap(self) -> str:
        """`host:port` of the broker."""
        return self.server.bootstrap_servers

    def kill(self) -> None:
        """End it as a crash would."""
        processes.kill(self.process)

    def forget(self) -> None:
        """Remove the data of one that is killed; started again, it is another, empty cluster."""
        shutil.rmtree(self.server.folder / "data")

    def start(self) -> None:
        """Start it again, with the data that it had."""
        self.process = self.server.start(print)
        self.server.wait(self.process)


def new_broker(folder: Path, further_properties: str = "") -> Broker:
    """A broker with no data yet, ready; raises StackError."""
    shutil.rmtree(folder, ignore_errors=True)
    ports = free_port(), free_port()
    server = KafkaServer(folder, CACHE, folder / "kafka.log", *ports, further_properties)
    process = server.start(print)
    try:
        server.wait(process)
    except StackError:
        processes.kill(process)
        raise
    return Broker(server, process)


def discard(server: PostgresServer) -> None:
    """Remove a stopped server's data, wherever they are."""
    for folder in (server.data.parent, server.folder):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fresh_database(postgres_url: str) -> Generator[str]:
    """URL of a fresh, migrated database."""
    server, _, template = postgres_url.rpartition("/")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield f"{server}/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
