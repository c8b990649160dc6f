"""The `ocrstream` command as its users run it, against the running system."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from whole_system import System, eventually

pytestmark = pytest.mark.integration

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


NOWHERE = {"INGEST_URL": "http://127.0.0.1:9", "RECORDER_URL": "http://127.0.0.1:9"}


def run(
    system: System | None, *arguments: str, stdin: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    addresses = NOWHERE if system is None else system.environment
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **addresses, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_folder_is_uploaded_read_and_printed(system: System) -> None:
    for number in range(5):
        system.image(f"uploads/2024/{number}.png")
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
    assert [row["source_name"] for row in rows] == [f"2024/{number}.png" for number in range(5)]
    assert len(rows[0]["text_boxes"]) == 30

    table = run(system, "results", batch["batch_id"]).stdout
    assert "4.png" in table
    assert table.count("SUCCESS") == 5
    listed = run(system, "batches", "--name", "up", "--status", "SUCCESS", "--json")
    assert json.loads(listed.stdout)["batch_id"] == batch["batch_id"]


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
    assert [image["source_name"] for image in images] == ["bad.png", "good.png", None]
    assert images[1]["image_path"] == good
    assert "%20" in good
    assert run(system, "status", batch["batch_id"]).returncode == 1
    shown = run(system, "results", batch["batch_id"])
    assert shown.returncode == 1
    assert "undecodable" in shown.stdout
    told = run(system, "failures", batch["batch_id"])
    assert told.returncode == 1
    assert "1 image: undecodable -> " in told.stdout
    failed = run(system, "results", batch["batch_id"], "--failed", "--format", "jsonl")
    assert failed.stdout.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "/no/such/file.png"], "/no/such/file.png"),
        (["submit"], "Missing argument"),
        (["status", "unheard-of"], "unheard-of"),
        (["results", "unheard-of"], "unheard-of"),
        (["export", "unheard-of"], "unheard-of"),
        (["export", "b", "--files", "txt"], "only with --format zip"),
        (["cancel", "unheard-of"], "unheard-of"),
        (["retry", "unheard-of"], "unheard-of"),
        (["submit", "nonsense://", "--by-reference", "--wait-not"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2(system: System, arguments: list[str], said: str) -> None:
    ran = run(system, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_a_list_is_taken_from_standard_input_and_followed_to_its_end(system: System) -> None:
    paths = [system.image(f"listed/{number}.png") for number in range(3)]
    named = str(system.folder / "listed" / "1.png")
    ran = run(system, "submit", "-", "--json", stdin="\n".join([paths[0], "", named, paths[2]]))
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["total_images"] == 3
    followed = run(system, "status", told["batch_id"], "--follow", "--json")
    assert followed.returncode == 0, followed.stderr
    assert json.loads(followed.stdout)["completed_images"] == 3
    images = system.images(told["batch_id"])
    assert [images[place]["image_path"] for place in (0, 2)] == [paths[0], paths[2]]
    assert [image["index"] for image in images] == [0, 1, 2]


def test_a_watched_folder_is_submitted_as_files_are_complete(system: System) -> None:
    folder = system.folder / "inbox"
    folder.mkdir()
    watching = subprocess.Popen(
        [PROGRAM, "submit", str(folder), "--watch", "--json"],
        env={**os.environ, **system.environment, "XDG_STATE_HOME": str(system.folder / "state")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        batches: list[str] = []
        for name in ("first.png", "2024/second.png"):
            system.image(f"inbox/{name}")
            told = json.loads(watching.stdout.readline())
            assert told["total_images"] == 1
            batches.append(told["batch_id"])
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    assert watching.stdout.read() == ""
    watching.stdout.close()
    names = [
        Path(system.images(system.ended(one)["batch_id"])[0]["source_name"]) for one in batches
    ]
    assert [str(name) for name in names] == ["first.png", "2024/second.png"]


def test_what_was_cancelled_is_read_after_all(own_system: System) -> None:
    system = own_system
    for name in ("recorder", "ingest"):
        system.start(name, wait=False)
    for name in ("recorder", "ingest"):
        system.wait(name)
    for number in range(20):
        system.image(f"scans/{number:02}.png")
    (system.folder / "scans" / "bad.png").write_text("no pixels")
    ran = run(system, "submit", str(system.folder / "scans"), "--by-reference", "--json")
    assert ran.returncode == 0, ran.stderr
    batch_id = json.loads(ran.stdout)["batch_id"]

    def known() -> bool | None:
        batch = system.get(f"/v1/batches/{batch_id}")
        return (batch is not None and batch["seen_images"] == 21) or None

    # No worker is there, so all of it is cancelled.
    eventually("its images", known)
    cancelled = run(system, "cancel", batch_id)
    assert cancelled.returncode == 0, cancelled.stderr
    assert "is being cancelled" in cancelled.stderr
    status = run(system, "status", batch_id, "--follow", "--json")
    assert status.returncode == 1
    assert json.loads(status.stdout)["revoked_images"] == 21

    system.start("worker-1")
    retried = run(system, "retry", batch_id, "--wait", "--json")
    assert retried.returncode == 1, retried.stderr
    told = json.loads(retried.stdout)
    assert (told["completed_images"], told["failed_images"], told["revoked_images"]) == (20, 1, 0)

    # Mended, the last one is read; the end that is told is not the one from before.
    system.image("scans/bad.png")
    retried = run(system, "retry", batch_id, "--wait")
    assert retried.returncode == 0, retried.stderr
    assert "SUCCESS, 100 % of 21 images: 21 read" in retried.stdout
    assert {image["run"] for image in system.images(batch_id)} == {2, 3}
    again = run(system, "retry", batch_id, "--wait", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["completed_images"] == 21


def test_the_doctor_says_what_is_wrong_and_looks_at_the_rest(system: System) -> None:
    worker = f"http://127.0.0.1:{system.ports['worker-1']}"
    well = run(system, "doctor", "--json", WORKER_URLS=worker)
    assert well.returncode == 0, well.stdout
    states = {told["part"]: told["state"] for told in map(json.loads, well.stdout.splitlines())}
    told = ("broker", "topics", "ingest", "object store", "recorder", "recording", "dead letters")
    assert {states[part] for part in (*told, "workers", "worker")} == {"ok"}

    mistaken = run(system, "doctor", INGEST_URL=system.environment["RECORDER_URL"])
    assert mistaken.returncode == 3
    assert "is ocrstream-recorder-api, not ocrstream-ingest" in mistaken.stdout

    broken = run(system, "doctor", WORKER_URLS=f"http://127.0.0.1:9,{worker}")
    assert broken.returncode == 1
    assert "trouble worker" in broken.stdout
    assert "ok      worker" in broken.stdout

    down = run(None, "doctor", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", WORKER_URLS=worker)
    assert down.returncode == 3
    assert [line.split()[1] for line in down.stdout.splitlines() if line.startswith("trouble")] == [
        "broker",
        "ingest",
        "recorder",
    ]
    assert "make up" in down.stdout
    assert "ok      worker" in down.stdout


def test_without_addresses_it_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    ran = subprocess.run(
        [PROGRAM, "submit", str(tmp_path)],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3
    assert "set INGEST_URL and RECORDER_URL, like INGEST_URL=http" in ran.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("submit", "status", "results", "export", "search", "cancel", "retry"),
        *("reprocess", "diff", "workers", "doctor", "batches", "failures"),
    ],
)
def test_every_command_has_an_example(name: str) -> None:
    ran = run(None, name, "--help")
    assert ran.returncode == 0
    assert f"ocrstream {name}" in ran.stdout.partition("For example")[2]


def test_a_system_that_is_not_there_exits_with_3() -> None:
    asked_of_recorder = ["status", "results", "export", "search", "retry", "diff"]
    commands = [*([name, "b"] for name in asked_of_recorder), ["dlq", "list"], ["workers"]]
    for arguments in commands:
        ran = run(None, *arguments)
        assert ran.returncode == 3, ran.stderr
        assert "does not answer" in ran.stderr
        assert "Traceback" not in ran.stderr
