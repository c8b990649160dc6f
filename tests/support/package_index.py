"""A package index that takes uploads and keeps their names."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving import serving


class PackageIndex:
    """`uploads` are the names of the files it was sent, in order."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.uploads: list[str] = []

    def take(self, body: bytes) -> None:
        (name,) = re.findall(rb'name="content"; filename="([^"]+)"', body)
        self.uploads.append(name.decode())


@contextmanager
def package_index() -> Generator[PackageIndex]:
    """An index on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            index.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = PackageIndex(server.server_address[1])
    with serving(server):
        yield index
