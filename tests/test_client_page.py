"""What docs/client.md and docs/exports.md show, done."""

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdfium2
import pytest
from whole_system import System

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[1] / "docs"


def blocks(language: str, page: str = "client.md") -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def run(system: System, *command: str, **environment: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        command,
        cwd=system.folder,
        env={**os.environ, **system.environment, "PATH": path, **environment},
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


def test_exports_as_their_page_shows(system: System) -> None:
    for number in range(2):
        system.image(f"letters/{number}.png")
    submitted = run(system, "ocrstream", "submit", "letters", "--wait", "--json")
    batch = json.loads(submitted)["batch_id"]
    (script,) = blocks("bash", "exports.md")
    run(system, "bash", "-euo", "pipefail", "-c", script, BATCH=batch)
    lines = (system.folder / "letters.jsonl").read_text(encoding="utf-8").splitlines()
    assert [len(json.loads(line)["text_boxes"]) for line in lines] == [30, 30]
    document = pypdfium2.PdfDocument(system.folder / "letters.pdf")
    assert document[1].get_size() == (pytest.approx(40 * 72 / 200), pytest.approx(20 * 72 / 200))
    archive = zipfile.ZipFile(system.folder / f"{batch}.zip")
    assert archive.namelist() == [
        *("txt/000001 0.png.txt", "txt/000002 1.png.txt"),
        *("pdf/000001 0.png.pdf", "pdf/000002 1.png.pdf"),
        *("manifest.jsonl", "batch.json"),
    ]
    with (system.folder / "letters.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 60
    # The temporary files have gone.
    assert not list(system.folder.glob(".*"))
