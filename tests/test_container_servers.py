"""Whether tests run on containers, and on which; no Docker engine is needed here."""

import os
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from compose import services
from container_servers import TEST_SERVERS, in_containers, kafka_container
from serving import serving

from ocrstream_local.containers import docker_answers


@pytest.mark.parametrize(
    ("told", "expected"), [(None, False), ("", False), ("processes", False), ("containers", True)]
)
def test_a_setting_chooses_containers_whatever_answers(
    told: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(TEST_SERVERS, raising=False)
    if told is not None:
        monkeypatch.setenv(TEST_SERVERS, told)
    assert docker_answers()
    assert in_containers() is expected


def test_a_choice_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_SERVERS, "docker")
    with pytest.raises(pytest.UsageError, match="processes or containers"):
        in_containers()


class Engine(BaseHTTPRequestHandler):
    """As much of a Docker engine as a container needs that is not started."""

    def do_GET(self) -> None:
        content = b'{"ApiVersion": "1.44"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    with serving(HTTPServer(("127.0.0.1", 0), Engine)) as url:
        monkeypatch.setenv("DOCKER_HOST", url.replace("http://", "tcp://"))
        yield


@pytest.mark.usefixtures("engine")
def test_tests_in_containers_take_the_broker_of_compose() -> None:
    container = kafka_container(4001)
    assert container.image == services()["kafka"]["image"]
    assert container.env["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:4001"
    assert container.ports == {"9092": 4001}
