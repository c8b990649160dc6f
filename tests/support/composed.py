"""A project of Docker Compose of the tests' own, with ports and volumes that nobody else has."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose import COMPOSE_FILE, ROOT
from real_servers import LOCAL
from whole_system import API, System, eventually

from ocrstream_local.processes import free_port

# The least that builds everything on a cold cache, on two cores that others use, too.
BUILD_TIMEOUT_S = 1200.0
COMMAND_TIMEOUT_S = 300.0
RESTART_TIMEOUT_S = 120.0

LOGS = LOCAL / "compose.log"

_PORTS = {
    "KAFKA_PORT": "9092",
    "INGEST_PORT": "8080",
    "RECORDER_PORT": "8081",
    "PROMETHEUS_PORT": "9090",
    "GRAFANA_PORT": "3000",
    "JAEGER_PORT": "16686",
}
"""The variables of docker-compose.yml that say what is published where, and what they say alone."""

# What a container has used of its memory at most, and whether that was too much, in either version
# of control groups. Files that are kept in memory count as well, and would be given up first.
_GROUP = "cd /sys/fs/cgroup; test ! -d memory || cd memory"
_PEAK = f"{_GROUP}; cat memory.peak memory.max_usage_in_bytes 2> /dev/null"
_MEMORY_KILLS = f"{_GROUP}; grep -h '^oom_kill ' memory.events memory.oom_control 2> /dev/null"


@dataclass(frozen=True)
class Container:
    """A container as the engine described it at one moment."""

    content: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.content["Id"]

    @property
    def service(self) -> str:
        """Its service's name in docker-compose.yml."""
        return self.content["Config"]["Labels"]["com.docker.compose.service"]

    @property
    def state(self) -> Mapping[str, Any]:
        return self.content["State"]

    @property
    def health(self) -> str:
        """`healthy`, or what else its health check says; `exited 0` and the like if it ended."""
        if self.state["Status"] != "running":
            return f"{self.state['Status']} {self.state['ExitCode']}"
        return self.state.get("Health", {}).get("Status", "running")


@dataclass
class Composed:
    """docker-compose.yml under a name of its own, with further files that change it."""

    folder: Path
    project: str = ""
    ports: dict[str, int] = field(default_factory=dict[str, int])
    files: list[Path] = field(default_factory=lambda: [COMPOSE_FILE])

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in _PORTS}
        self.project = f"ocrstream-test-{self.ports['KAFKA_PORT']}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command of Compose one about this project."""
        return {
            **os.environ,
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "COMPOSE_FILE": os.pathsep.join(map(str, self.files)),
            "COMPOSE_PROJECT_NAME": self.project,
            **{name: str(port) for name, port in self.ports.items()},
        }

    @property
    def outside(self) -> System:
        """The services as clients outside of the containers reach them."""
        ports = {API: self.ports["RECORDER_PORT"], "ingest": self.ports["INGEST_PORT"]}
        kafka = f"127.0.0.1:{self.ports['KAFKA_PORT']}"
        return System(self.folder, kafka, database="", ports=ports)

    def shell(self, script: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """What a script says; a documented one finds this project where it looks for its own."""
        for name, port in _PORTS.items():
            script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{self.ports[name]}")
        return run(["bash", "-euo", "pipefail", "-c", script], timeout_s, self.environment)

    def compose(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """What a command of Compose says."""
        return run(["docker", "compose", *arguments], timeout_s, self.environment)

    def up(self, *arguments: str) -> None:
        """Start services, built before; returns when they are healthy."""
        self.compose("up", "--detach", "--wait", "--no-build", *arguments)

    def change(self, name: str, text: str) -> None:
        """Add a file that changes the project; without text the file is taken away again."""
        file = self.folder / f"{name}.yml"
        if file in self.files:
            self.files.remove(file)
        if text:
            file.write_text(text, encoding="utf-8")
            self.files.append(file)

    def containers(self, *services: str) -> list[Container]:
        """Its containers, those that have ended too; of these services alone if any are named."""
        wanted = f"label=com.docker.compose.project={self.project}"
        ids = docker("ps", "--all", "--quiet", "--no-trunc", "--filter", wanted).split()
        if not ids:
            return []
        found = [Container(one) for one in json.loads(docker("inspect", *ids))]
        return [one for one in found if not services or one.service in services]

    def container(self, service: str) -> Container:
        """The one container of a service."""
        (found,) = self.containers(service)
        return found

    def kill(self, service: str) -> None:
        """SIGKILL what a service's one container runs; returns when it is healthy again.

        From another container: the engine would not start again what it was itself told to kill.
        """
        before = self.container(service)
        kill = f"import os; os.kill({before.state['Pid']}, 9)"
        may = ("--pid=host", "--user=0", "--cap-drop=ALL", "--cap-add=KILL", "--network=none")
        docker("run", "--rm", *may, "ocrstream-ingest", "python", "-c", kill)

        def started_again() -> bool | None:
            now = self.container(service)
            again = now.state["StartedAt"] != before.state["StartedAt"]
            return (again and now.health == "healthy") or None

        eventually(f"{service} again", started_again, RESTART_TIMEOUT_S)

    def peak_bytes(self, service: str) -> int:
        """The most memory that a service's one container has used since it started."""
        return int(self.execute(service, "sh", "-c", f"{_PEAK} || true").split()[0])

    def memory_kills(self, service: str) -> int:
        """How many processes the kernel has killed there because the memory was used up."""
        said = self.execute(service, "sh", "-c", f"{_MEMORY_KILLS} || true")
        return int(said.split("oom_kill ")[1].split()[0])

    def execute(self, service: str, *command: str) -> str:
        """What a command says in a service's one container."""
        return docker("exec", self.container(service).id, *command)

    def save_logs(self) -> None:
        """Keep what its containers have said, for whoever wonders why a test has failed."""
        LOGS.parent.mkdir(parents=True, exist_ok=True)
        said = self.compose("logs", "--no-color", "--timestamps")
        LOGS.write_text(said, encoding="utf-8")

    def down(self) -> None:
        """Remove it, whatever state it is in, with its data."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def left(self) -> list[str]:
        """What the engine still has of it."""
        wanted = f"label=com.docker.compose.project={self.project}"
        lists = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        return [
            name for one in lists for name in docker(*one, "--quiet", "--filter", wanted).split()
        ]


def docker(*arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    """What a command of Docker says."""
    return run(["docker", *arguments], timeout_s)


def has_image(image: str) -> bool:
    """Whether the engine has an image or can pull it."""
    for command in (("image", "inspect"), ("pull", "--quiet")):
        tried = subprocess.run(
            ["docker", *command, image], capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
        if tried.returncode == 0:
            return True
    return False


def image(name: str) -> dict[str, Any]:
    """What the engine tells of an image."""
    (found,) = json.loads(docker("image", "inspect", name))
    return found


def run(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> str:
    """What a command says on its standard output; what else it says is told if it fails."""
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n---\n{ran.stdout}\n---\n{ran.stderr}"
    return ran.stdout


def healths(containers: Iterable[Container]) -> dict[str, set[str]]:
    """How the containers of each service are."""
    found: dict[str, set[str]] = {}
    for one in containers:
        found.setdefault(one.service, set()).add(one.health)
    return found
