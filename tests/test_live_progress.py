"""Listeners to a batch's events while the recorder records, and when it is told to end."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]


def told(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """What the events tell, one after the other."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_progress_is_heard_as_it_is_recorded_and_the_api_ends_beside_listeners(
    bare_system: System,
) -> None:
    # Long enough that an end at the last moment would be an end by the test's own limit.
    process = bare_system.start("recorder-api", wait=False, OCRSTREAM_SHUTDOWN_TIMEOUT_S="300")
    bare_system.start("recorder")
    first, *others = [
        {"image_path": f"file:///{n}.png", "batch_id": "live", "index": n, "batch_total": 3}
        for n in range(3)
    ]
    asyncio.run(bare_system.send(("images.submitted", None, first)))
    eventually("the batch", lambda: bare_system.get("/v1/batches/live"))
    url = f"{bare_system.recorder_url}/v1/batches/live/events"
    with httpx.stream("GET", url, timeout=60) as response:
        assert response.status_code == 200
        states = told(response)
        assert next(states)["total_images"] == 3
        asyncio.run(bare_system.send(*(("images.submitted", None, one) for one in others)))
        assert any(state["seen_images"] == 3 for state in states)
        process.terminate()
        assert list(states) == []
    eventually("its end", lambda: None if process.running else True)
    log = Path(process.log).read_text(encoding="utf-8")
    assert "stopped" in log
    assert "Traceback" not in log, log
