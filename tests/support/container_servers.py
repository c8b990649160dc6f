"""Whether the tests' servers are containers: a setting says so, never what happens to answer."""

import contextlib
import os
from collections.abc import Generator

import pytest
from not_run import NOT_RUN
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from ocrstream_local.containers import KAFKA_IMAGE, KAFKA_READY, kafka_environment
from ocrstream_local.kafka import new_cluster_id
from ocrstream_local.processes import free_port

TEST_SERVERS = "OCRSTREAM_TEST_SERVERS"
"""`processes`, the default: Kafka and PostgreSQL are processes of this machine. `containers`: they
are containers of a Docker engine, and the tests that need an engine run, too."""

_START_TIMEOUT_S = 300


def in_containers() -> bool:
    """Whether the setting says `containers`; raises pytest.UsageError if it says neither."""
    told = os.environ.get(TEST_SERVERS) or "processes"
    if told not in {"processes", "containers"}:
        raise pytest.UsageError(f"{TEST_SERVERS} must be processes or containers, not {told!r}")
    return told == "containers"


def needs_engine(what: str) -> None:
    """Skips the test, and the end of the output says so, unless the setting says `containers`."""
    if not in_containers():
        pytest.skip(f"{NOT_RUN}{what}: {TEST_SERVERS} is not containers")


@contextlib.contextmanager
def kafka_in_container() -> Generator[str]:
    """`host:port` of a broker of the image that docker-compose.yml names; without topics."""
    port = free_port()
    with kafka_container(port):
        yield f"127.0.0.1:{port}"


def kafka_container(port: int) -> DockerContainer:
    """A broker that clients of this machine find at `port`; not started."""
    environment = kafka_environment(f"127.0.0.1:{port}", new_cluster_id())
    ready = LogMessageWaitStrategy(KAFKA_READY).with_startup_timeout(_START_TIMEOUT_S)
    container = DockerContainer(KAFKA_IMAGE).with_envs(**environment)
    return container.with_bind_ports(9092, port).waiting_for(ready)
