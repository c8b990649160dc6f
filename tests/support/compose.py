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

from ocrstream_ingest.settings import IngestSettings
from ocrstream_recorder.settings import DatabaseSettings, RecordingSettings, ServingSettings
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
SUPPORT = ROOT / "deploy" / "compose"
DOCKER_COMPOSE = Path(sys.executable).with_name("docker-compose")

SETTINGS: dict[str, type[ServiceSettings]] = {
    "topics": ServiceSettings,
    "migrate": DatabaseSettings,
    "ingest": IngestSettings,
    "ocr-worker": WorkerSettings,
    "ocr-worker-gpu": WorkerSettings,
    "recorder": RecordingSettings,
    "recorder-api": ServingSettings,
}
"""Of each service whose image is ours."""

_TIMEOUT_S = 120.0
_PROFILES = "gpu,observability"
_SETS_OF_IMAGES = {"topics": "ingest", "migrate": "recorder-api", "recorder": "recorder-api"}


def docker_compose(
    arguments: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose; only `environment` decides what stands in variables."""
    names = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return subprocess.run(
        [DOCKER_COMPOSE, *arguments],
        cwd=ROOT,
        env=kept | {"COMPOSE_DISABLE_ENV_FILE": "1"} | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
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


def known_variables(name: str) -> set[str]:
    """The variables that a service of ours understands; one image has the settings of all that it
    is used for."""
    found: set[str] = set()
    for kind in {SETTINGS[name], SETTINGS[_SETS_OF_IMAGES.get(name, name)]}:
        for field, info in kind.model_fields.items():
            alias = info.validation_alias
            choices = getattr(alias, "choices", None) or [alias or f"OCRSTREAM_{field.upper()}"]
            found |= {str(choice) for choice in choices}
            found.add(f"OCRSTREAM_{field.upper()}")
    return found


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
