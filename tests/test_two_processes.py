"""The recorder is two processes: one records, one answers, and neither needs the other."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from whole_system import API, System, eventually

from ocrstream_local import processes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


def announce(system: System, batch_id: str) -> None:
    """A batch that ends as soon as it is recorded."""
    event = {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": 0}
    asyncio.run(system.send(("batches.commands", None, event)))


def doctor(system: System) -> dict[str, Any]:
    """What the doctor says of each part."""
    ran = subprocess.run(
        [PROGRAM, "doctor", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "RECORDER_URL": system.recorder_url,
            "RECORDING_URLS": system.recording_url,
        },
        cwd=system.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return {told["part"]: told["state"] for told in map(json.loads, ran.stdout.splitlines())}


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def recorded(system: System, batches: int) -> None:
    """Returns once the recorder has ended so many batches since it was started."""

    def look() -> bool | None:
        lines = httpx.get(f"{system.recording_url}/metrics").text.splitlines()
        return f"ocrstream_recorder_batches_completed_total {batches}.0" in lines or None

    eventually(f"{batches} batches, with nobody to answer", look)


def test_each_goes_on_while_the_other_is_dead_or_stands_still(own_system: System) -> None:
    system = own_system
    system.start("recorder")
    announce(system, "first")
    system.ended("first")

    processes.kill(system.processes["recorder"])
    assert system.ended("first")["status"] == "SUCCESS"
    assert is_ready(system.recorder_url)
    assert not is_ready(system.recording_url)
    found = doctor(system)
    assert (found["recorder"], found["recording"]) == ("ok", "trouble")
    announce(system, "second")

    system.start("recorder")
    processes.kill(system.processes[API])
    announce(system, "third")
    assert is_ready(system.recording_url)
    found = doctor(system)
    assert (found["recorder"], found["recording"]) == ("trouble", "ok")

    recorded(system, 2)
    answering = system.start(API)
    assert {system.ended(name)["status"] for name in ("second", "third")} == {"SUCCESS"}

    # As one that has far too much to do.
    os.kill(answering.pid, signal.SIGSTOP)
    announce(system, "fourth")
    recorded(system, 3)
    os.kill(answering.pid, signal.SIGCONT)
    assert system.ended("fourth")["status"] == "SUCCESS"


def test_what_answers_starts_without_kafka_and_says_what_it_does_not_know(
    own_system: System,
) -> None:
    own_system.start(API, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert own_system.get("/v1/batches") == {"items": [], "next_cursor": None}
    answer = httpx.get(f"{own_system.recorder_url}/v1/workers")
    assert (answer.status_code, answer.json()["title"]) == (503, "Workers unavailable")


def test_each_tells_of_its_own_work_alone(own_system: System) -> None:
    system = own_system
    system.start("recorder")
    told = {
        url: httpx.get(f"{url}/metrics").text for url in (system.recorder_url, system.recording_url)
    }
    for metric, url in (
        ("ocrstream_recorder_event_listeners", system.recorder_url),
        ("ocrstream_recorder_lag_records", system.recording_url),
    ):
        assert [one for one, text in told.items() if metric in text] == [url]
    assert httpx.get(f"{system.recording_url}/v1/batches").status_code == 404
