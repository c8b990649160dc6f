"""The services of the stack: how each is started and known to be ready."""

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
    """A service; `environment` is what it needs beside that of the command.

    One that `yields` works off what waits while those that answer leave it the processor, as soon
    as it is ready: until then it is waited for as they are.
    """

    name: str
    command: tuple[str, ...]
    port: int
    environment: dict[str, str]
    yields: bool = False

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, logs: Path) -> Process:
        """Start it; returns before it is ready."""
        # Beside this very Python, so that it works without an activated environment.
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
        """Returns when it is ready; raises StackError, with what is in its way, if it is not."""
        waiting.wait_until(process, lambda: is_ready(self.url), "ready")
        self.settle(process)

    def settle(self, process: Process) -> None:
        """What is to be done once it is ready."""
        if self.yields:
            processes.yield_to_others(process)


def is_ready(url: str) -> bool:
    """Whether the service says that it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_REQUEST_TIMEOUT_S) as answer:  # noqa: S310
            return answer.status == 200 and json.load(answer)["status"] == "ok"
    except (OSError, ValueError, urllib.error.URLError):
        return False


def image_roots(samples: Path) -> str:
    """Folders that `file://` references may point into: the samples, and what the user allows."""
    allowed = os.environ.get("OCRSTREAM_IMAGE_ROOTS")
    return f"{samples}:{allowed}" if allowed else str(samples)
