"""Serves HTTP in a thread while a test runs."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import HTTPServer


@contextmanager
def serving(server: HTTPServer) -> Generator[str]:
    """Yields the server's URL; stops and closes the server after the body."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
