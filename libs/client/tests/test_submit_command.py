"""`ocrstream submit`: what it says of refused files and of how to go on, and `--watch`."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocrstream_client import Addresses, Client
from ocrstream_client.cli import main

ADDRESSES = Addresses("http://ingest", "http://recorder")


class Ingest:
    """Stores uploads; a file whose name begins with `broken` is refused."""

    def __init__(self) -> None:
        self.uploads: list[tuple[str, list[str]]] = []
        self.down = False
        self.problem: dict[str, str] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        if self.problem:
            return httpx.Response(422, json=self.problem)
        fields: dict[str, str] = {}
        names: list[str] = []
        for part in request.content.split(b"\r\n--"):
            head, _, value = part.partition(b"\r\n\r\n")
            disposition = head.decode()
            if "filename=" in disposition:
                names.append(Path(disposition.split('filename="')[1].split('"')[0]).name)
            elif "name=" in disposition:
                fields[disposition.split('name="')[1].split('"')[0]] = value.decode()
        self.uploads.append((fields["batch_id"], names))
        why = {"reason": "undecodable", "error": "it is no PDF"}
        images: list[dict[str, Any]] = [
            {"source_name": name, "refused": why if name.startswith("broken") else None}
            for name in names
        ]
        return httpx.Response(202, json={"images": images, "accepted_images": len(images)})


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ingest:
    made = Ingest()
    transport = httpx.MockTransport(made)

    def scripted(_addresses: Addresses | None = None) -> Client:
        return Client(ADDRESSES, transport=transport)

    monkeypatch.setattr("ocrstream_client.submitting.Client", scripted)
    monkeypatch.setattr("ocrstream_client.submitting.find_addresses", lambda: ADDRESSES)
    monkeypatch.setattr("ocrstream_client.retrying._MAX_ATTEMPTS", 1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "1000")
    return made


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "my scans"
    folder.mkdir()
    for name in ("a.png", "broken.pdf", "c.png"):
        (folder / name).write_bytes(b"x")
    (folder / "notes.txt").write_text("no image")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Runs the command as its entry point does; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/ocrstream", "submit", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_refused_files_are_named_and_make_the_exit_code_1(
    ingest: Ingest,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, scans, "--batch-id", "b", "--json") == 1
    assert ingest.uploads == [("b", ["a.png", "broken.pdf", "c.png"])]
    out, err = capsys.readouterr()
    assert json.loads(out) == {"batch_id": "b", "total_images": 3, "refused_images": 1}
    assert err.splitlines()[0] == "batch b: submitting 3 images"
    assert "refused: broken.pdf: undecodable: it is no PDF" in err
    assert "left out 1 file without the name of an image" in err
    assert "notes.txt" in err


def test_after_a_failure_the_advised_command_goes_on(
    ingest: Ingest,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (scans / "broken.pdf").unlink()
    ingest.down = True
    assert run(monkeypatch, scans, "--batch-name", "of May", "--json") == 3
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert "does not answer" in told["error"]
    advice = err.splitlines()[-1]
    assert "Idempotency" not in err
    program, command, *arguments = shlex.split(advice.partition("to continue it: ")[2])
    assert (program, command) == ("ocrstream", "submit")
    ingest.down = False
    assert run(monkeypatch, *arguments) == 0
    assert ingest.uploads == [(told["batch_id"], ["a.png", "c.png"])]


def test_a_request_that_is_wrong_gets_no_advice_to_repeat_it(
    ingest: Ingest,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ingest.problem = {"title": "The request breaks its schema", "detail": "#/batch_name"}
    assert run(monkeypatch, scans) == 2
    assert "to continue it" not in capsys.readouterr().err
    assert ingest.uploads == []


class Interruptible:
    """Stands for time: sleeping counts seconds, and Ctrl-C comes after `until` of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, until: float = 5.0) -> None:
        self.now, self.until = 0.0, until
        monkeypatch.setattr("ocrstream_client.folder_watch.time.monotonic", lambda: self.now)
        monkeypatch.setattr("ocrstream_client.folder_watch.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self.until:
            self.until += self.now
            raise KeyboardInterrupt


def test_a_watcher_goes_on_behind_a_bad_file_and_remembers_what_it_sent(
    ingest: Ingest,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Interruptible(monkeypatch)
    assert run(monkeypatch, scans, "--watch") == 0
    assert "refused: broken.pdf: undecodable" in capsys.readouterr().err
    assert [names for _, names in ingest.uploads] == [["a.png", "broken.pdf", "c.png"]]
    (scans / "d.png").write_bytes(b"x")
    assert run(monkeypatch, scans, "--watch") == 0
    assert [names for _, names in ingest.uploads[1:]] == [["d.png"]]


def test_a_watcher_that_ended_amid_a_batch_continues_it(
    ingest: Ingest, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Interruptible(monkeypatch)
    ingest.down = True
    assert run(monkeypatch, scans, "--watch") == 3
    ingest.down = False
    (scans / "d.png").write_bytes(b"x")
    assert run(monkeypatch, scans, "--watch") == 0
    names = [names for _, names in ingest.uploads]
    assert names == [["a.png", "broken.pdf", "c.png"], ["d.png"]]
    assert len({batch_id for batch_id, _ in ingest.uploads}) == 2


def test_a_watcher_is_not_stopped_by_a_batch_that_cannot_be_continued(
    ingest: Ingest,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Interruptible(monkeypatch)
    ingest.down = True
    assert run(monkeypatch, scans, "--watch") == 3
    ingest.down = False
    (scans / "a.png").unlink()
    assert run(monkeypatch, scans, "--watch") == 0
    assert "cannot be completed, cancel it" in capsys.readouterr().err
    assert [names for _, names in ingest.uploads] == [["broken.pdf", "c.png"]]
