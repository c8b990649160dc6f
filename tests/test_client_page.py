"""What docs/client.md shows, done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from whole_system import System

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[1] / "docs" / "client.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def run(system: System, *command: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        command,
        cwd=system.folder,
        env={**os.environ, **system.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_the_page_shows_works(system: System) -> None:
    for number in range(2):
        system.image(f"scans/{number}.png")
    submit, listed = blocks("bash")
    assert "SUCCESS, 100 % of 2 images" in run(system, "bash", "-euo", "pipefail", "-c", submit)
    assert '"total_images": 2' in run(system, "bash", "-euo", "pipefail", "-c", listed)
    threads, tasks = blocks("python")
    said = run(system, sys.executable, "-c", threads)
    assert "0.png line 1\n" in said
    assert "1.png line 1\n" in said
    assert run(system, sys.executable, "-c", tasks).splitlines() == [
        "['refused']",
        "0 SUCCESS",
        "1 SUCCESS",
        "2 FAILURE",
    ]
