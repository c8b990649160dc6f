"""Servers as containers: what is asked of Docker. A Docker engine itself is not needed here."""

import os
from pathlib import Path

import pytest

from ocrstream_local import containers, downloads, processes
from ocrstream_local.containers import KafkaContainer, PostgresContainer
from ocrstream_local.stack import Layout, Stack
from ocrstream_local.state import State

# Says what a container would say, and stays until it is told to end.
DOCKER = """#!/bin/sh
[ "$1" = info ] && exit 0
[ "$1" = rm ] && exit 0
echo "$@" >> "{calls}"
case "$*" in
*kafka*) echo "[KafkaRaftServer nodeId=1] Kafka Server started" ;;
*) echo "database system is ready to accept connections"
   echo "database system is shut down"
   echo "PostgreSQL init process complete; ready for start up."
   echo "database system is ready to accept connections" ;;
esac
exec sleep 600
"""


@pytest.fixture
def docker_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that is found first; returns where it writes what it was asked."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER.format(calls=calls))
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return calls


def test_both_servers_run_until_they_are_told_to_end(docker_calls: Path, tmp_path: Path) -> None:
    servers = [
        KafkaContainer(tmp_path / "kafka", tmp_path / "kafka.log", 4001),
        PostgresContainer(tmp_path / "postgres", tmp_path / "postgres.log", 4002),
    ]
    started = [server.start(print) for server in servers]
    for server, process in zip(servers, started, strict=True):
        server.wait(process)
    processes.stop(started, 10)
    assert not any(process.running for process in started)
    kafka, postgres = docker_calls.read_text().splitlines()
    assert "--publish=127.0.0.1:4001:9092" in kafka
    assert "--env=KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:4001" in kafka
    assert kafka.endswith(containers.KAFKA_IMAGE)
    assert "--publish=127.0.0.1:4002:5432" in postgres
    assert postgres.endswith(containers.POSTGRES_IMAGE)


def test_ids_and_passwords_are_made_once(tmp_path: Path) -> None:
    kafka = KafkaContainer(tmp_path / "kafka", tmp_path / "log", 1)
    postgres = PostgresContainer(tmp_path / "postgres", tmp_path / "log", 2)
    assert kafka.command() == kafka.command()
    assert postgres.command() == postgres.command()
    other = PostgresContainer(tmp_path / "other", tmp_path / "log", 2)
    assert other.url != postgres.url


@pytest.mark.parametrize(("maven", "kind"), [(None, "Container"), ("/usr/bin/mvn", "Server")])
def test_containers_are_for_machines_without_maven(
    maven: str | None,
    kind: str,
    docker_calls: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloads, "maven", lambda: maven)
    assert not docker_calls.exists()
    said: list[str] = []
    servers = Stack(Layout(tmp_path), said.append).choose_servers(State())
    assert [type(server).__name__ for server in servers] == [f"Kafka{kind}", f"Postgres{kind}"]
    assert len(said) == 1
    assert ("without Docker" if kind == "Server" else "in Docker containers") in said[0]
