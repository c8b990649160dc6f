"""How the command ends: exit codes, Ctrl-C, a closed pipe, failures that are explained."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest
from scripted_client import BATCH, ENDED, row

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))
PAGE = Path(__file__).parents[3] / "docs" / "client.md"
DOCUMENTED = re.findall(r"^\| (\d+) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
LISTED = "3f0c1b1e-51dc-4b5b-b0d8-6a6a4dd4b4a1"
FAILED = {**ENDED, "status": "FAILURE", "completed_images": 1, "failed_images": 1}
BROKEN = row(1, status="FAILURE", reason="undecodable", error="no pixels", source_name="2024/b.png")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        system = cast("_System", self.server)
        path, _, query = self.path.partition("?")
        match path.split("/")[2:]:
            case ["batches", "bad", "failures"]:
                group = {"status": "FAILURE", "reason": "undecodable", "images": 1}
                self._answer(200, {"items": [{**group, "examples": [BROKEN]}]})
            case ["batches", _, "images"]:
                many = [row(number) for number in range(5)]
                rows = [BROKEN] if "status=FAILURE" in query else many
                self._answer(200, {"items": rows, "next_cursor": None})
            case ["batches"]:
                batches = [{**FAILED, "batch_id": LISTED, "batch_name": "letters of May"}] * 20
                self._answer(200, {"items": batches, "next_cursor": None})
            case ["batches", batch_id] if batch_id in system.batches:
                system.polls += 1
                if system.polls == 2:
                    system.followed.set()
                self._answer(200, {**system.batches[batch_id], "batch_id": batch_id})
            case ["images"]:
                self._answer(200, {"text_boxes": [], "provenance": None})
            case ["batches", "fails"]:
                self._answer(500, {"title": "Internal error", "detail": "see the log"})
            case _:
                self._answer(404, {"title": "Not found", "detail": "no such batch"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(202, {"images": [{}], "accepted_images": 1})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base
        pass


class _System(ThreadingHTTPServer):
    """Ingest and recorder in one; `followed` is set once a batch's status was polled."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.batches: dict[str, Any] = {"good": ENDED, "bad": FAILED, "running": BATCH}
        self.polls = 0
        self.followed = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}"
        return {**os.environ, "INGEST_URL": url, "RECORDER_URL": url}


@pytest.fixture
def system() -> Generator[_System]:
    with _System() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def start(
    system: _System, *arguments: str, env: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PROGRAM, *arguments],
        env=env or system.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    system: _System, *arguments: str, env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    process = start(system, *arguments, env=env)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def interrupt(system: _System, *arguments: str) -> tuple[int, str, str]:
    process = start(system, *arguments)
    assert system.followed.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def unreachable(system: _System) -> int:
    nowhere = {**system.environment, "RECORDER_URL": "http://127.0.0.1:9"}
    return run(system, "status", "good", env=nowhere)[0]


ENDINGS: dict[str, list[Callable[[_System], int]]] = {
    "0": [lambda system: run(system, "status", "good")[0]],
    "1": [
        lambda system: run(system, "status", "bad")[0],
        lambda system: run(system, "results", "bad", "--failed")[0],
        lambda system: run(system, "failures", "bad")[0],
    ],
    "2": [
        lambda system: run(system, "status", "unheard-of")[0],
        lambda system: run(system, "status", "--no-such-option")[0],
        lambda system: run(system, "submit", "/no/such/file.png")[0],
        lambda system: run(system, "submit", "s3://b/a.png", "--option", "boxes")[0],
        lambda system: run(
            system, "submit", "s3://b/a.png", "--lane", "gpu", "--option", "lane=urgent"
        )[0],
        lambda system: run(system, "export", "good", "-o", "/no/such/folder/a.jsonl")[0],
    ],
    "3": [unreachable, lambda system: run(system, "status", "fails")[0]],
    "130": [lambda system: interrupt(system, "status", "running", "--follow")[0]],
}


def test_every_exit_code_is_documented_and_no_other() -> None:
    assert list(ENDINGS) == DOCUMENTED


@pytest.mark.parametrize(
    ("code", "ending"), [(code, ending) for code in ENDINGS for ending in ENDINGS[code]]
)
def test_the_command_ends_as_documented(
    system: _System, code: str, ending: Callable[[_System], int]
) -> None:
    assert ending(system) == int(code)


def test_ctrl_c_says_in_one_line_what_continues(system: _System) -> None:
    code, out, err = interrupt(system, "status", "running", "--follow")
    assert (code, out) == (130, "")
    assert err == (
        "ocrstream: interrupted; batch running continues: ocrstream status running --follow\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [["results", "good"], ["results", "good", "--format", "jsonl"], ["batches"]],
)
def test_a_closed_pipe_ends_the_command_silently(system: _System, arguments: list[str]) -> None:
    process = start(system, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.wait(60) == 0


def test_a_batch_with_failures_says_why_and_what_next(system: _System, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no pixels")
    code, out, err = run(system, "submit", str(tmp_path), "--batch-id", "bad", "--wait")
    assert code == 1
    assert "1 failed" in out
    told = err.splitlines()
    assert told[-4].startswith("1 image: undecodable -> ")
    assert told[-3:] == [
        "  2024/b.png: no pixels",
        "all of them: ocrstream results bad --failed",
        "retry them: ocrstream retry bad --wait",
    ]


def test_without_a_terminal_nothing_is_coloured_or_cut(system: _System) -> None:
    code, out, err = run(
        system, "results", "bad", "--failed", env={**system.environment, "COLUMNS": "40"}
    )
    assert code == 1
    assert err.count("\n") == 1
    assert err.endswith("images of the batch that were not read: 1 failed.\n")
    assert "\x1b" not in out + err
    heading, line = out.splitlines()
    assert heading.split()[:4] == ["index", "image", "status", "boxes"]
    assert "2024/b.png" in line
    assert "undecodable: no pixels -> " in line


@pytest.mark.parametrize(("columns", "whole"), [(80, True), (60, False), (40, True)])
def test_batches_on_a_terminal(system: _System, columns: int, whole: bool) -> None:
    main, secondary = pty.openpty()
    with os.fdopen(main, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [PROGRAM, "batches", "--limit", "1"],
            env={**system.environment, "COLUMNS": str(columns), "TERM": "xterm"},
            stdout=secondary,
            stderr=subprocess.PIPE,
            text=True,
        )
        err = process.communicate(timeout=60)[1]
        os.close(secondary)
        shown = screen.read(10_000).decode()
    assert process.returncode == 0
    assert max(map(len, shown.split("\r\n"))) <= columns
    assert (LISTED in "".join(shown.split())) == whole
    assert ("too narrow" in err) != whole
    assert "there are more; show them with --limit 2" in err


def test_the_version_is_told(system: _System) -> None:
    assert run(system, "--version") == (0, f"ocrstream {version('ocrstream-client')}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_the_commands(system: _System, shell: str) -> None:
    environment = {**system.environment, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    code, out, _ = run(system, "--show-completion", shell, env=environment)
    assert code == 0
    assert "ocrstream" in out
    completing = {
        **system.environment,
        "_OCRSTREAM_COMPLETE": "complete_bash",
        "COMP_WORDS": "ocrstream fail",
        "COMP_CWORD": "1",
    }
    assert run(system, env=completing)[1].split() == ["failures"]
