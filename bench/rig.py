"""Real servers for a bench, databases on them, and services that begin at a known moment."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from psycopg import sql
from report import say

from ocrstream_local import processes
from ocrstream_local.kafka import KafkaServer
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import Process, free_port
from ocrstream_local.services import Service
from ocrstream_recorder.migrations.migrate import migrate
from ocrstream_runtime.topics import ensure_topics

LOCAL = Path(".local")
JOIN_TIMEOUT_S = 120.0


class Rig:
    """Kafka with all topics and a durable PostgreSQL in a folder of its own; removed at the end."""

    def __init__(self, name: str) -> None:
        self._folder = LOCAL / f"bench-{name}"
        self._databases = 0
        cache = LOCAL / "cache"
        self.kafka = KafkaServer(
            self._folder / "kafka", cache, self._folder / "kafka.log", free_port(), free_port()
        )
        self.postgres = PostgresServer(
            self._folder / "postgres", cache, self._folder / "postgres.log", free_port()
        )
        self._processes: list[Process] = []

    def __enter__(self) -> "Rig":
        """Starts the servers; from now on SIGTERM, too, ends the bench with them."""
        signal.signal(signal.SIGTERM, _end)
        try:
            for server in (self.kafka, self.postgres):
                process = server.start(say)
                self._processes.append(process)
                server.wait(process)
            migrate(self.postgres.url)
            asyncio.run(ensure_topics(self.kafka.bootstrap_servers))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the servers and removes all that they wrote."""
        processes.stop(self._processes, 30)
        shutil.rmtree(self.postgres.data, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def database(self, template: str | None = None) -> Generator[str]:
        """URL of a fresh, migrated database, or of a copy of another one; dropped at the end."""
        self._databases += 1
        name = f"bench_{self._databases}"
        server, _, migrated = self.postgres.url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier((template or migrated).rpartition("/")[2])
                )
            )
            # What earlier measures left to be written is not to be paid by the next one.
            admin.execute("CHECKPOINT")
        try:
            yield f"{server}/{name}"
        finally:
            with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def workers(
        self, group: str, count: int, settings: Mapping[str, str]
    ) -> Generator[list[Process]]:
        """Workers that are ready and members of `group`, and alone in it."""
        started: list[Process] = []
        try:
            started.extend(self.start_worker(group, settings) for _ in range(count))
            asyncio.run(until_members(self.kafka.bootstrap_servers, group, count))
            yield started
        finally:
            processes.stop(started, 30)

    def start_worker(self, group: str, settings: Mapping[str, str]) -> Process:
        """One more worker, on its way into the group; whoever starts it stops it."""
        told = {"OCRSTREAM_GROUP_ID": group, **settings}
        return self._service(group, ("ocrstream-worker",), told).start(self._folder)

    @contextmanager
    def recorders(self, url: str, group: str, count: int = 1) -> Generator[list[Process]]:
        """Recorders that are members of `group`, warm, and write nothing before the body begins.

        They wait for the table that tells them where to begin, which is locked until then.
        """
        started: list[Process] = []
        try:
            with psycopg.connect(url) as connection:
                connection.execute("LOCK TABLE recorder_offsets IN ACCESS EXCLUSIVE MODE")
                for number in range(count):
                    service = self._recorder(f"{group}-{number}", url, group)
                    started.append(service.start(self._folder))
                asyncio.run(until_members(self.kafka.bootstrap_servers, group, count))
            yield started
        finally:
            processes.stop(started, 30)

    @contextmanager
    def recorder(self, url: str, group: str) -> Generator[Process]:
        """A recorder that is ready, and leaves the processor to others as in the local stack."""
        service = self._recorder(group, url, group, yields=True)
        process = service.start(self._folder)
        try:
            service.wait(process)
            yield process
        finally:
            processes.stop([process], 30)

    @contextmanager
    def recorder_api(self, url: str) -> Generator[tuple[str, Process]]:
        """What answers from what recorders write, ready: its address, and its process."""
        service = self._service("api", ("ocrstream-recorder", "serve"), {"DATABASE_URL": url})
        process = service.start(self._folder)
        try:
            service.wait(process)
            yield service.url, process
        finally:
            processes.stop([process], 30)

    def _recorder(self, name: str, url: str, group: str, *, yields: bool = False) -> Service:
        settings = {"DATABASE_URL": url, "OCRSTREAM_GROUP_ID": group}
        return self._service(name, ("ocrstream-recorder",), settings, yields=yields)

    def _service(
        self,
        name: str,
        command: tuple[str, ...],
        settings: Mapping[str, str],
        *,
        yields: bool = False,
    ) -> Service:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, **settings}
        return Service(name, command, free_port(), environment, yields)


def _end(_number: int, _frame: object) -> None:
    sys.exit("ended by SIGTERM")


async def until_members(bootstrap: str, group: str, count: int) -> None:
    """Returns when the group is stable with so many members."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while True:
                with suppress(GroupCoordinatorNotAvailableError):
                    (described,) = await admin.describe_consumer_groups([group])
                    (found,) = described.to_object()["groups"]
                    if found["state"] == "Stable" and len(found["members"]) == count:
                        return
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


def until_written(url: str, records: int, timeout_s: float, topic: str = "%") -> float:
    """Seconds until so many records, of one topic or of all, are written by any recorders."""
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT coalesce(sum(next_offset), 0) FROM recorder_offsets WHERE topic LIKE %s",
                (topic,),
            ).fetchone()
            assert row is not None
            took = time.monotonic() - began
            if row[0] >= records:
                return took
            if took > timeout_s:
                raise TimeoutError(f"{row[0]} of {records} records in {timeout_s:g} s")
            time.sleep(0.01)


def cpu_s(process: Process) -> float:
    """The processor's time that the process has had, in seconds."""
    told = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def stolen_s() -> float:
    """What this machine's cores together have waited for their host, in seconds; 0 if it has none
    or does not tell.
    """
    return float(getattr(psutil.cpu_times(), "steal", 0))


def memory_mib(process: Process) -> float:
    """The most memory that the process ever held, in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    fields: Mapping[str, str] = dict(line.split(":", 1) for line in lines)
    return int(fields["VmHWM"].split()[0]) / 1024
