import asyncio
import subprocess
import sys

import pytest
from fastapi import FastAPI

from ocrstream_local.processes import free_port
from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.server import serve
from ocrstream_runtime.settings import ServiceSettings


def probe(port: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ocrstream_runtime.probe"],
        # A proxy that is not there must not be asked.
        env={"OCRSTREAM_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("trouble", "code", "said"), [("", 0, ""), ("no broker", 1, "no broker")])
async def test_it_tells_whether_the_service_is_ready(trouble: str, code: int, said: str) -> None:
    health = Health()

    async def check() -> None:
        if trouble:
            raise NotReadyError(trouble)

    health.add_check("kafka", check)
    app = FastAPI()
    app.include_router(create_ops_router("ocrstream-probed", health))
    port, stop = free_port(), asyncio.Event()
    serving = asyncio.create_task(serve(app, ServiceSettings(http_port=port), stop))
    while "does not answer" in (answer := await asyncio.to_thread(probe, port)).stderr:
        assert not serving.done()
    stop.set()
    await serving
    assert answer.returncode == code
    assert said in answer.stderr


def test_it_fails_where_nothing_answers() -> None:
    answer = probe(free_port())
    assert answer.returncode == 1
    assert "does not answer" in answer.stderr
