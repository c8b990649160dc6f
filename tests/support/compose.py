"""docker-compose.yml as Docker Compose itself reads it."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dockerfiles import ROOT, image_variables, last, stages

COMPOSE_FILE = ROOT / "docker-compose.yml"
SUPPORT = ROOT / "deploy" / "compose"
DOCKER_COMPOSE = Path(sys.executable).with_name("docker-compose")

_PROFILES = "gpu,observability"


def docker_compose(
    arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose; only `environment` decides what stands in variables."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ
    }
    return subprocess.run(
        [DOCKER_COMPOSE, *arguments],
        cwd=ROOT,
        env=kept | {"COMPOSE_DISABLE_ENV_FILE": "1"} | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )


@functools.cache
def project(profiles: str = _PROFILES) -> dict[str, Any]:
    """All of it, with variables, defaults and merges resolved."""
    answer = docker_compose(
        ["--file", COMPOSE_FILE, "config", "--format", "json", "--no-path-resolution"],
        {"COMPOSE_PROFILES": profiles},
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def services(profiles: str = _PROFILES) -> dict[str, dict[str, Any]]:
    """The services of these profiles and of none, by name."""
    return project(profiles)["services"]


class Built:
    """A service whose image is made from a Dockerfile of ours."""

    def __init__(self, name: str) -> None:
        self.service = services()[name]
        self.dockerfile = ROOT / self.service["build"]["dockerfile"]
        self.stages = stages(self.dockerfile)
        self.target: str = self.service["build"].get("target") or list(self.stages)[-1]

    @property
    def variables(self) -> dict[str, str]:
        """What a container begins with."""
        return image_variables(self.stages, self.target) | self.service["environment"]

    @property
    def command(self) -> list[str]:
        """What a container runs."""
        return self.service["command"] or json.loads(str(self.instruction("CMD")))

    def instruction(self, name: str) -> str | None:
        """The text of the instruction that holds for the image."""
        return last(self.stages, self.target, name)


def variables() -> set[str]:
    """The variables that the file lets its user set."""
    return set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text(encoding="utf-8")))


def container_ports(service: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """What is published of a service, by the port inside."""
    return {port["target"]: port for port in service.get("ports", [])}


def mounts(service: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What is mounted, by where."""
    return {mount["target"]: mount for mount in service.get("volumes", [])}


def host_path(service: Mapping[str, Any], inside: str) -> Path:
    """The file of the project that is mounted at `inside`, or below a folder that is."""
    for target, mount in mounts(service).items():
        if mount["type"] == "bind" and Path(inside).is_relative_to(target):
            return (ROOT / mount["source"] / Path(inside).relative_to(target)).resolve()
    raise AssertionError(f"nothing of the project is mounted at {inside}")
