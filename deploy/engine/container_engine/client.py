"""Docker's command line, asked about one engine."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocrstream_local import waiting
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.waiting import Say

STAND_IN = "ocrstream.stand-in"
"""The label of an image that stands in for another; its value is the key of what it is made of."""

_ANSWER_TIMEOUT_S = 20


@dataclass(frozen=True)
class Docker:
    """Commands for the engine that `environment` leads to; `daemon` does their work, if known."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    daemon: Process | None = None

    def version(self) -> str | None:
        """The engine's version; None if none answers."""
        try:
            answer = self._ask("version", "--format", "{{.Server.Version}}")
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    def stand_in_key(self, image: str) -> str | None:
        """The label of an image that the engine has, empty for a real one; None if it has none."""
        labels = f'{{{{index .Config.Labels "{STAND_IN}"}}}}'
        answer = self._ask("image", "inspect", "--format", labels, image)
        return answer.stdout.strip() if answer.returncode == 0 else None

    def pull(self, image: str, say: Say) -> str | None:
        """Fetch an image; returns why that failed, None if it did not."""
        try:
            ran = self._run("pull", "--quiet", image, say=say)
        except StackError as error:
            return str(error)
        return None if ran.returncode == 0 else ran.stderr.strip()[-500:]

    def build(
        self, image: str, folder: Path, key: str, contexts: Mapping[str, Path], say: Say
    ) -> None:
        """Build an image, labelled as a stand-in, from a folder with its Dockerfile."""
        named = [f"--build-context={name}={path}" for name, path in contexts.items()]
        label = f"--label={STAND_IN}={key}"
        self._must("build", "--quiet", *named, label, f"--tag={image}", str(folder), say=say)

    def save(self, image: str, file: Path, say: Say) -> None:
        """Write an image to a tarball."""
        self._must("save", f"--output={file}", image, say=say)

    def load(self, file: Path, say: Say) -> None:
        """Take an image, with its name, from a tarball."""
        self._must("load", "--quiet", f"--input={file}", say=say)

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT_S,
            check=False,
        )

    def _must(self, *arguments: str, say: Say) -> None:
        ran = self._run(*arguments, say=say)
        if ran.returncode:
            raise StackError(f"docker {arguments[0]} failed:\n{ran.stderr.strip()[-2000:]}")

    def _run(self, *arguments: str, say: Say) -> subprocess.CompletedProcess[str]:
        helpers = () if self.daemon is None else (self.daemon,)
        return waiting.run(
            f"docker {arguments[0]}",
            ["docker", *arguments],
            say,
            environment=self.environment,
            helpers=helpers,
        )
