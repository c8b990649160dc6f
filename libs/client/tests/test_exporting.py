"""Exports by both clients and the command: whole, or not at all."""

import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import serving

from ocrstream_client import Addresses, AsyncClient, Client, RefusedError, UnreachableError

ADDRESSES = Addresses("http://ingest", "http://recorder")
PROGRAM = str(Path(sys.executable).with_name("ocrstream"))
STATUS = {
    "batch_id": "b/1",
    "batch_name": "März: /1",
    "status": "FAILURE",
    "progress": 100.0,
    "total_known": True,
    "total_images": 2,
    "completed_images": 1,
    "failed_images": 1,
    "revoked_images": 0,
    "started_at": None,
    "finished_at": None,
}


class _Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which may break off after them."""

    def __init__(self, *pieces: bytes, breaks: bool = False) -> None:
        self._pieces = pieces
        self._breaks = breaks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._breaks:
            raise httpx.RemoteProtocolError("incomplete chunked read")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "asyncio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def export(kind: Any, answer: httpx.Response, *asked: Any, **more: Any) -> Any:
    requests: list[httpx.Request] = []

    def given(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer

    got: list[bytes] = []
    client = kind(ADDRESSES, transport=httpx.MockTransport(given))
    told = client.batch("b/1").export(got.append, *asked, **more)
    count = await told if inspect.isawaitable(told) else told
    return requests[0].url, got, count


async def test_pieces_are_given_as_they_come(kind: Any) -> None:
    body = httpx.Response(200, stream=_Pieces(b"one", b"two"))
    url, got, count = await export(kind, body, "zip", files=["txt", "pdf"])
    assert (b"".join(got), count) == (b"onetwo", 6)
    assert str(url) == "http://recorder/v1/batches/b%2F1/export?format=zip&files=txt&files=pdf"
    body = httpx.Response(200, stream=_Pieces(b"x"))
    url, _, _ = await export(kind, body, "md", image_path="file:///a.png")
    assert url.path == "/v1/images/export"
    assert dict(url.params) == {"format": "md", "image_path": "file:///a.png"}


async def test_an_answer_that_breaks_off_is_an_error(kind: Any) -> None:
    with pytest.raises(UnreachableError, match="broke off"):
        await export(kind, httpx.Response(200, stream=_Pieces(b"one", breaks=True)))


async def test_a_refusal_is_told_with_its_reason(kind: Any) -> None:
    problem = {"title": "Too many exports at once", "detail": "try again"}
    answer = httpx.Response(429, json=problem, headers={"Retry-After": "5"})
    with pytest.raises(RefusedError, match="Too many exports at once: try again") as caught:
        await export(kind, answer)
    assert caught.value.status == 429


class _Recorder(BaseHTTPRequestHandler):
    """Tells of a batch, and exports it: as CSV whole, as text only its beginning."""

    def do_GET(self) -> None:
        whole = b"a,b\r\n"
        body = whole if "export" in self.path else json.dumps(STATUS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 100 * ("format=txt" in self.path)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base
        pass


@pytest.fixture
def recorder() -> Generator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Recorder)) as url:
        yield url


def run(recorder: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [PROGRAM, "export", "b/1", *arguments],
        cwd=folder,
        env={**os.environ, "INGEST_URL": recorder, "RECORDER_URL": recorder},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_command_writes_a_file_once_it_is_whole(recorder: str, tmp_path: Path) -> None:
    ran = run(recorder, tmp_path, "-f", "csv", "-o", "out.csv")
    assert ran.returncode == 1
    said = " ".join(ran.stderr.decode().split())
    assert "output is complete" in said
    assert said.endswith("images of the batch that were not read: 1 failed.")
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\r\n"
    assert (tmp_path / "out.csv").stat().st_mode & 0o600 == 0o600
    assert run(recorder, tmp_path, "-f", "csv", "-o", ".").returncode == 1
    assert {file.name for file in tmp_path.iterdir()} == {"out.csv", "März_ _1.csv"}
    assert run(recorder, tmp_path, "-f", "csv").stdout == b"a,b\r\n"
    image = run(recorder, tmp_path, "-f", "csv", "--image", "file:///a.png")
    assert (image.returncode, image.stdout, image.stderr) == (0, b"a,b\r\n", b"")


def test_a_pipe_is_written_to_and_stays_one(recorder: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reading.start()
    assert run(recorder, tmp_path, "-f", "csv", "-o", "pipe").returncode == 1
    reading.join(30)
    assert got == [b"a,b\r\n"]
    assert (tmp_path / "pipe").is_fifo()


def test_the_command_leaves_no_part_of_a_file(recorder: str, tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("from before")
    ran = run(recorder, tmp_path, "-f", "txt", "-o", "out.txt")
    assert ran.returncode == 3
    assert b"broke off" in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "from before"
    assert run(recorder, tmp_path, "-f", "txt", "-o", "no/such/out.txt").returncode == 2


def test_an_output_that_cannot_be_written_is_named_as_it_was_given(
    recorder: str, tmp_path: Path
) -> None:
    ran = run(recorder, tmp_path, "-f", "txt", "-o", "missing/x.txt")
    assert ran.returncode == 2
    assert ran.stderr == b"ocrstream: missing/x.txt: No such file or directory\n"
