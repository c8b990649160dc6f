"""A server of files that behaves as its paths say, over TLS or not; and S3 as moto has it."""

import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
from serving import serving

from ocrstream_local.processes import free_port

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Answers one request."""

GOOD = b"pixels"
LARGE_BYTES = 1000


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """A whole answer, with what S3's clients want to know of an object."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _head(request, code, Content_Length=str(len(body)), **headers)
        request.wfile.write(body)

    return answer


def redirect(location: str, code: int = 302) -> Answer:
    """Go elsewhere."""
    return status(code, Location=location)


def _head(request: BaseHTTPRequestHandler, code: int, **headers: str) -> None:
    request.send_response(code)
    modified = {"Last_Modified": "Wed, 01 Jan 2025 00:00:00 GMT", "ETag": '"1"'}
    for name, value in {**modified, **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


def _cut(request: BaseHTTPRequestHandler) -> None:
    _head(request, 200, Content_Length="8")
    request.wfile.write(b"half")
    request.close_connection = True


def _endless(request: BaseHTTPRequestHandler) -> None:
    _head(request, 200, Transfer_Encoding="chunked")
    try:
        while True:
            request.wfile.write(b"5\r\nbytes\r\n")
    except OSError:
        request.close_connection = True


@dataclass
class OddFiles:
    """Answers by the last part of the path: those given first, then always the last one."""

    port: int
    released: threading.Event = field(default_factory=threading.Event)
    """Ends answers that are slow."""
    requests: list[str] = field(default_factory=list[str])
    answers: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])

    def __post_init__(self) -> None:
        self.answers |= {
            "good.png": [status(200, GOOD)],
            "absent.png": [status(404)],
            "denied.png": [status(403)],
            "large.png": [status(200, b"x" * LARGE_BYTES)],
            "endless.png": [_endless],
            "slow.png": [self._slow],
            "cut.png": [_cut],
            "shaky.png": [status(503), status(200, GOOD)],
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.path)
        answers = self.answers[request.path.partition("?")[0].rpartition("/")[2]]
        (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    def _slow(self, request: BaseHTTPRequestHandler) -> None:
        _head(request, 200, Content_Length="8")
        self.released.wait()
        request.close_connection = True


@contextmanager
def odd_files(context: ssl.SSLContext | None = None) -> Generator[OddFiles]:
    """A server on a port of its own; `context` has its certificate."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.answer(self)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Silent."""

    class Server(ThreadingHTTPServer):
        # A connection that a client keeps open must not keep the test.
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Silent: clients that go away, or do not trust it, are what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    served = OddFiles(server.server_address[1])
    with serving(server):
        try:
            yield served
        finally:
            served.released.set()


@contextmanager
def s3_server(bucket: str) -> Generator[dict[str, str]]:
    """A real S3 server that has a bucket; yields the environment that clients find it by."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(url, process)
        httpcore.request("PUT", f"{url}/{bucket}")
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "not-secret",
        }
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "moto ended"
        assert time.monotonic() < deadline, "moto does not answer"
        try:
            httpcore.request("GET", f"{url}/moto-api/")
        except httpcore.NetworkError:
            time.sleep(0.05)
        else:
            return
