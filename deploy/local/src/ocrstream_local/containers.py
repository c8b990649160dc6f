"""Kafka and PostgreSQL as containers, for machines with a Docker engine but without Maven.

Each is a `docker run` in the foreground: a process like the others, which ends when it is told to.
"""

import hashlib
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import processes, waiting
from ocrstream_local.downloads import KAFKA_VERSION
from ocrstream_local.errors import StackError
from ocrstream_local.kafka import new_cluster_id
from ocrstream_local.processes import Process
from ocrstream_local.state import replace
from ocrstream_local.waiting import Say

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
POSTGRES_IMAGE = "postgres:17.6-alpine"
KAFKA_READY = "Kafka Server started"
"""What the broker's log says when it serves clients."""
_DOCKER_TIMEOUT_S = 20


def docker_answers() -> bool:
    """Whether there is a Docker engine to run containers on."""
    program = shutil.which("docker")
    if program is None:
        return False
    try:
        ran = subprocess.run(
            [program, "info"], capture_output=True, timeout=_DOCKER_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ran.returncode == 0


def kafka_environment(bootstrap_servers: str, cluster_id: str) -> dict[str, str]:
    """What a broker's container is told; it listens on 9092, and clients find it as said here."""
    return {
        "CLUSTER_ID": cluster_id,
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{bootstrap_servers}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


@dataclass(frozen=True)
class KafkaContainer:
    """A broker in a container; its data are in a volume that belongs to `folder`."""

    folder: Path
    log: Path
    port: int

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    def start(self, say: Say) -> Process:
        """Start it; returns before it is ready."""
        say(f"Starting {KAFKA_IMAGE} by Docker (the first time it is fetched: 400 MB, a minute)")
        return _start("kafka", self.command(), self.log, self.port)

    def wait(self, process: Process) -> None:
        """Returns when it serves clients; raises StackError if it does not."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, _: Process) -> bool:
        """Whether it serves clients."""
        return KAFKA_READY in _said(self.log)

    def command(self) -> list[str]:
        """What runs it."""
        # New data, new cluster: the recorder keeps its offsets by this id.
        cluster_id = _kept(self.folder / "cluster-id", new_cluster_id)
        settings = kafka_environment(self.bootstrap_servers, cluster_id)
        ports = f"127.0.0.1:{self.port}:9092"
        return _run_command(self.folder, ports, "/var/lib/kafka/data", settings, KAFKA_IMAGE)


@dataclass(frozen=True)
class PostgresContainer:
    """A PostgreSQL in a container; its data are in a volume that belongs to `folder`."""

    folder: Path
    log: Path
    port: int

    @property
    def url(self) -> str:
        """Where clients find its database, password included."""
        return f"postgresql://ocrstream:{self._password()}@127.0.0.1:{self.port}/ocrstream"

    def start(self, say: Say) -> Process:
        """Start it; returns before it is ready."""
        say(f"Starting {POSTGRES_IMAGE} by Docker (the first time it is fetched: 280 MB, a minute)")
        return _start("postgres", self.command(), self.log, self.port)

    def wait(self, process: Process) -> None:
        """Returns when it serves clients; raises StackError if it does not."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, _: Process) -> bool:
        """Whether it serves clients."""
        # While it initialises itself a server without network says that it is ready, too.
        said = _said(self.log)
        ready = "init process complete" in said or "Skipping initialization" in said
        return ready and said.rfind("ready to accept connections") > said.rfind("shut down")

    def command(self) -> list[str]:
        """What runs it."""
        settings = {
            "POSTGRES_USER": "ocrstream",
            "POSTGRES_DB": "ocrstream",
            "POSTGRES_PASSWORD": self._password(),
        }
        ports = f"127.0.0.1:{self.port}:5432"
        data = "/var/lib/postgresql/data"
        return _run_command(self.folder, ports, data, settings, POSTGRES_IMAGE)

    def _password(self) -> str:
        return _kept(self.folder / "password", lambda: secrets.token_hex(16))


def _start(name: str, command: list[str], log: Path, port: int) -> Process:
    container = next(part for part in command if part.startswith("--name=")).partition("=")[2]
    # Left behind if its `docker run` was killed.
    try:
        subprocess.run(
            ["docker", "rm", "--force", container],
            capture_output=True,
            timeout=_DOCKER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"Docker does not answer: {error}") from error
    log.unlink(missing_ok=True)
    return processes.start(name, command, log, port=port)


def _run_command(
    folder: Path, ports: str, data: str, settings: dict[str, str], image: str
) -> list[str]:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    name = f"ocrstream-{folder.name}-{key}"
    environment = [f"--env={variable}={value}" for variable, value in settings.items()]
    return [
        *("docker", "run", "--rm", f"--name={name}", f"--publish={ports}"),
        *(f"--volume={name}:{data}", *environment, image),
    ]


def _said(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _kept(file: Path, make: Callable[[], str]) -> str:
    """What stands in `file`, made the first time."""
    if not file.exists():
        replace(file, make())
    return file.read_text(encoding="utf-8")
