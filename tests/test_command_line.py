"""The `ocrstream` command as its users run it, against the running system."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from whole_system import System

pytestmark = pytest.mark.integration

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


def run(system: System | None, *arguments: str) -> "subprocess.CompletedProcess[str]":
    nowhere = {"INGEST_URL": "http://127.0.0.1:9", "RECORDER_URL": "http://127.0.0.1:9"}
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **(nowhere if system is None else system.environment)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_folder_is_uploaded_read_and_printed(system: System) -> None:
    for number in range(5):
        system.image(f"uploads/{number}.png")
    folder = str(system.folder / "uploads")
    ran = run(system, "submit", folder, "--batch-name", "up", "--wait", "--json")
    assert ran.returncode == 0, ran.stderr
    batch = json.loads(ran.stdout)
    assert ran.stdout.count("\n") == 1
    assert (batch["status"], batch["completed_images"], batch["batch_name"]) == ("SUCCESS", 5, "up")

    status = run(system, "status", batch["batch_id"])
    assert status.returncode == 0
    assert "SUCCESS, 100 % of 5 images: 5 read" in status.stdout

    lines = run(system, "results", batch["batch_id"], "--format", "jsonl").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["index"] for row in rows] == list(range(5))
    assert Path(rows[3]["source_name"]).name == "3.png"
    assert len(rows[0]["text_boxes"]) == 30

    table = run(system, "results", batch["batch_id"]).stdout
    assert "4.png" in table
    assert table.count("SUCCESS") == 5


def test_references_are_read_where_they_are_and_failures_show(system: System) -> None:
    good = system.image("with space [red]/good.png")
    (system.folder / "with space [red]" / "bad.png").write_text("no pixels")
    ran = run(
        system,
        *("submit", str(system.folder / "with space [red]"), "file:///gone.png"),
        *("--by-reference", "--wait", "--json"),
    )
    assert ran.returncode == 1, ran.stderr
    batch = json.loads(ran.stdout)
    assert (batch["completed_images"], batch["failed_images"]) == (1, 2)
    images = system.images(batch["batch_id"])
    assert [image["reason"] for image in images] == ["undecodable", None, "refused"]
    assert images[1]["image_path"] == good
    assert "%20" in good
    assert run(system, "status", batch["batch_id"]).returncode == 1
    shown = run(system, "results", batch["batch_id"])
    assert shown.returncode == 1
    assert "undecodable" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "/no/such/file.png"], "/no/such/file.png"),
        (["submit"], "Missing argument"),
        (["status", "unheard-of"], "unheard-of"),
        (["results", "unheard-of"], "unheard-of"),
        (["submit", "nonsense://", "--by-reference", "--wait-not"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2(system: System, arguments: list[str], said: str) -> None:
    ran = run(system, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_a_system_that_is_not_there_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    for arguments in (["submit", str(tmp_path)], ["status", "b"], ["results", "b"]):
        ran = run(None, *arguments)
        assert ran.returncode == 3, ran.stderr
        assert "does not answer" in ran.stderr
        assert "Traceback" not in ran.stderr
