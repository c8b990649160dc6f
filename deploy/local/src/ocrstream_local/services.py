"""Starts a service of the stack, and waits until it is ready."""

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import processes, waiting
from ocrstream_local.processes import Process

_REQUEST_TIMEOUT_S = 5


@dataclass(frozen=True)
class Service:
    """A service; `environment` extends that of the command.

    A service that `yields` gets a low CPU priority once it is ready, because it processes a queue
    while others answer requests.
    """

    name: str
    command: tuple[str, ...]
    port: int
    environment: dict[str, str]
    yields: bool = False

    @property
    def url(self) -> str:
        """The URL of its HTTP API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, logs: Path) -> Process:
        """Starts the service; returns before it is ready."""
        # The program beside this Python, so that it works without an activated environment.
        program, *arguments = self.command
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        environment = {
            **self.environment,
            "OCRSTREAM_HTTP_HOST": "127.0.0.1",
            "OCRSTREAM_HTTP_PORT": str(self.port),
        }
        log = logs / f"{self.name}.log"
        return processes.start(
            self.name,
            command,
            log,
            environment=environment,
            port=self.port,
        )

    def wait(self, process: Process) -> None:
        """Waits until it is ready. Raises StackError with the reason if it does not get ready."""
        waiting.wait_until(process, lambda: is_ready(self.url), "ready")
        self.settle(process)

    def settle(self, process: Process) -> None:
        """Lowers the priority of a service that yields; call it when the service is ready."""
        if self.yields:
            processes.yield_to_others(process)


def is_ready(url: str) -> bool:
    """Returns whether the service reports that it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_REQUEST_TIMEOUT_S) as response:  # noqa: S310
            return response.status == 200 and json.load(response)["status"] == "ok"
    except (OSError, ValueError, urllib.error.URLError):
        return False


def image_roots(samples: Path) -> str:
    """Returns the folders of `file://` references: the samples, and those that the user allows."""
    allowed = os.environ.get("OCRSTREAM_IMAGE_ROOTS")
    return f"{samples}:{allowed}" if allowed else str(samples)
