"""Runs Kafka and PostgreSQL in containers, on machines with Docker but without Maven.

Each is a `docker run` in the foreground: a process like the others, which ends on a signal.
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
"""The line of the broker's log after which it serves clients."""
_DOCKER_TIMEOUT_S = 20


def docker_answers() -> bool:
    """Returns whether a Docker engine answers."""
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
    """Returns the environment of a broker that listens on 9092 and advertises the given address."""
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
    """A broker in a container, with its data in a volume named after `folder`."""

    folder: Path
    log: Path
    port: int

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self, say: Say) -> Process:
        """Starts the container; returns before it is ready."""
        say(f"Starting {KAFKA_IMAGE} with Docker (the first time it downloads 400 MB)")
        return _start("kafka", self.command(), self.log, self.port)

    def wait(self, process: Process) -> None:
        """Waits until it serves clients. Raises StackError."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, _: Process) -> bool:
        """Returns whether it serves clients."""
        return KAFKA_READY in _read_log(self.log)

    def command(self) -> list[str]:
        """Returns the command that runs it."""
        # New data needs a new cluster id, because the recorder stores offsets by cluster id.
        cluster_id = _read_or_create(self.folder / "cluster-id", new_cluster_id)
        settings = kafka_environment(self.bootstrap_servers, cluster_id)
        ports = f"127.0.0.1:{self.port}:9092"
        return _run_command(self.folder, ports, "/var/lib/kafka/data", settings, KAFKA_IMAGE)


@dataclass(frozen=True)
class PostgresContainer:
    """A PostgreSQL server in a container, with its data in a volume named after `folder`."""

    folder: Path
    log: Path
    port: int

    @property
    def url(self) -> str:
        """The database URL for clients, with the password."""
        return f"postgresql://ocrstream:{self._password()}@127.0.0.1:{self.port}/ocrstream"

    def start(self, say: Say) -> Process:
        """Starts the container; returns before it is ready."""
        say(f"Starting {POSTGRES_IMAGE} with Docker (the first time it downloads 280 MB)")
        return _start("postgres", self.command(), self.log, self.port)

    def wait(self, process: Process) -> None:
        """Waits until it serves clients. Raises StackError."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, _: Process) -> bool:
        """Returns whether it serves clients."""
        # During initialization a server without network logs that it is ready, too.
        log = _read_log(self.log)
        initialized = "init process complete" in log or "Skipping initialization" in log
        return initialized and log.rfind("ready to accept connections") > log.rfind("shut down")

    def command(self) -> list[str]:
        """Returns the command that runs it."""
        settings = {
            "POSTGRES_USER": "ocrstream",
            "POSTGRES_DB": "ocrstream",
            "POSTGRES_PASSWORD": self._password(),
        }
        ports = f"127.0.0.1:{self.port}:5432"
        data = "/var/lib/postgresql/data"
        return _run_command(self.folder, ports, data, settings, POSTGRES_IMAGE)

    def _password(self) -> str:
        return _read_or_create(self.folder / "password", lambda: secrets.token_hex(16))


def _start(name: str, command: list[str], log: Path, port: int) -> Process:
    container = next(part for part in command if part.startswith("--name=")).partition("=")[2]
    # A killed `docker run` leaves its container behind.
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


def _read_log(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _read_or_create(file: Path, create: Callable[[], str]) -> str:
    """Returns the content of `file`, which it creates the first time."""
    if not file.exists():
        replace(file, create())
    return file.read_text(encoding="utf-8")
