"""What is done for a service once it is ready."""

import os
from pathlib import Path

import pytest

from ocrstream_local import processes
from ocrstream_local.processes import free_port
from ocrstream_local.services import Service

# Says that it is ready once a file is there.
CODE = """
import http.server, os, pathlib
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = pathlib.Path(os.environ["GO"]).exists()
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}' if ready else b'{"status": "trouble"}')
port = int(os.environ["OCRSTREAM_HTTP_PORT"])
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


@pytest.mark.parametrize("yields", [True, False])
def test_it_yields_the_processor_once_it_is_ready(tmp_path: Path, yields: bool) -> None:
    go = tmp_path / "go"
    command = ("python", "-c", CODE)
    service = Service("server", command, free_port(), {"GO": str(go)}, yields=yields)
    process = service.start(tmp_path)
    try:
        starting = os.getpriority(os.PRIO_PROCESS, process.pid)
        go.touch()
        service.wait(process)
        working = os.getpriority(os.PRIO_PROCESS, process.pid)
    finally:
        processes.kill(process)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert starting == own
    assert working == (max(own, 10) if yields else own)
