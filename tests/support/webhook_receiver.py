"""A receiver of webhooks that checks what it gets as the standard tells receivers to."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serving import serving

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Answers one request."""


@dataclass(frozen=True)
class Message:
    """A message whose signature was right."""

    id: str
    path: str
    event: dict[str, Any]


class WebhookReceiver:
    """What it has got so far; `answers` are given to the first requests, then 204."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.messages: list[Message] = []
        self.requests = 0
        self.answers: list[Answer] = []

    def take(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = request.rfile.read(int(request.headers["Content-Length"]))
        message_id = request.headers["webhook-id"]
        timestamp = request.headers["webhook-timestamp"]
        assert abs(time.time() - int(timestamp)) < 300
        signed = f"{message_id}.{timestamp}.{body.decode()}".encode()
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert f"v1,{mac}" in request.headers["webhook-signature"].split(" ")
        self.messages.append(Message(message_id, request.path, json.loads(body)))
        if self.answers:
            self.answers.pop(0)(request)
        else:
            status(204)(request)


def status(code: int, **headers: str) -> Answer:
    """Answers with a status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@contextmanager
def webhook_receiver() -> Generator[WebhookReceiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Silent."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        # One whose answer is never done must not keep the test.
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    receiver = WebhookReceiver(server.server_address[1])
    with serving(server):
        yield receiver
