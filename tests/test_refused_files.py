"""One bad file costs the others nothing, and a submission that broke off is continued."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from whole_system import System

pytestmark = pytest.mark.integration

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


def run(system: System, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **system.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_bad_files_fail_with_their_reason_and_the_rest_is_read(system: System) -> None:
    for name in ("a", "k", "z"):
        system.image(f"mixed/{name}.png")
    folder = system.folder / "mixed"
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nno document")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no image")
    (folder / "gone.png").symlink_to("nowhere.png")

    ran = run(system, "submit", str(folder), "--wait", "--json")
    assert ran.returncode == 1, ran.stderr
    told = json.loads(ran.stdout)
    assert ran.stderr.startswith(f"batch {told['batch_id']}: submitting 6 images\n")
    assert "broken.pdf: undecodable: The document cannot be split" in ran.stderr
    assert "gone.png: not_found:" in ran.stderr
    assert "notes.txt" in ran.stderr
    counts = ("total_images", "completed_images", "failed_images", "revoked_images")
    assert [told[name] for name in counts] == [6, 3, 3, 0]

    batch = system.ended(told["batch_id"])
    reasons = {"undecodable": 2, "not_found": 1}
    assert batch["final_result"] == {"failed_by_reason": reasons}
    images = {Path(image["source_name"]).name: image for image in system.images(told["batch_id"])}
    assert [(name, image["index"], image["reason"]) for name, image in images.items()] == [
        ("a.png", 0, None),
        ("broken.pdf", 1, "undecodable"),
        ("empty.png", 2, "undecodable"),
        ("gone.png", 3, "not_found"),
        ("k.png", 4, None),
        ("z.png", 5, None),
    ]
    result = system.get("/v1/images", image_path=images["broken.pdf"]["image_path"])
    assert result is not None
    assert (result["status"], result["reason"]) == ("failed", "undecodable")
    shown = run(system, "results", told["batch_id"], "--format", "jsonl")
    assert shown.returncode == 1
    assert "cannot be opened as PDF" in shown.stdout

    # There is no file to read again, so a retry fails at once for the same reason.
    retried = run(system, "retry", told["batch_id"], "--wait")
    assert retried.returncode == 1, retried.stderr
    again = {Path(image["source_name"]).name: image for image in system.images(told["batch_id"])}
    for name in ("broken.pdf", "gone.png"):
        assert again[name] == {**images[name], "run": 2}


class Gate(ThreadingHTTPServer):
    """Passes the first upload on to ingest, and keeps the second one waiting."""

    daemon_threads = True

    def __init__(self, ingest_url: str) -> None:
        self.ingest_url = ingest_url
        self.uploads = 0
        self.second_upload = threading.Event()
        self.closed = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Gate  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.uploads += 1
        if self.server.uploads > 1:
            self.server.second_upload.set()
            self.server.closed.wait()
            return
        passed = urllib.request.Request(  # noqa: S310
            self.server.ingest_url + self.path, body, dict(self.headers)
        )
        with urllib.request.urlopen(passed, timeout=60) as answer:  # noqa: S310
            content = answer.read()
            self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def gate(system: System) -> Generator[Gate]:
    with Gate(system.ingest_url) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.closed.set()
            server.shutdown()
            thread.join()


def killed_amid_its_second_request(system: System, folder: str) -> str:
    """Submits the folder; returns the batch's id, as the command printed it first."""
    with gate(system) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        submitting = subprocess.Popen(
            [PROGRAM, "submit", folder],
            env={**os.environ, **system.environment, "INGEST_URL": url},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert submitting.stderr is not None
        try:
            first_line = submitting.stderr.readline()
            assert server.second_upload.wait(60)
        finally:
            submitting.kill()
            submitting.wait()
            submitting.stderr.close()
    return first_line.removeprefix("batch ").partition(":")[0]


async def test_a_submission_that_was_killed_is_continued_and_gives_each_image_once(
    system: System,
) -> None:
    total = 60  # two requests
    for number in range(total):
        system.image(f"many/{number:02}.png")
    folder = str(system.folder / "many")
    batch_id = killed_amid_its_second_request(system, folder)
    system.seen(batch_id, 50)
    known = system.get(f"/v1/batches/{batch_id}")
    assert known is not None
    assert (known["total_images"], known["status"] in {"SUCCESS", "FAILURE"}) == (total, False)

    ran = run(system, "submit", folder, "--batch-id", batch_id, "--wait", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["completed_images"] == total
    images = system.images(batch_id)
    names = [(image["index"], Path(image["source_name"]).name) for image in images]
    assert names == [(number, f"{number:02}.png") for number in range(total)]
    # What ingest had accepted was not submitted again.
    submitted = [
        json.loads(value)
        for value in await system.read("images.submitted")
        if batch_id.encode() in value
    ]
    counts = Counter(event["index"] for event in submitted if event.get("batch_id") == batch_id)
    assert counts == dict.fromkeys(range(total), 1)
