"""Workers as every process of the API tells of them, and as the command line shows them."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from whole_system import API, System, eventually

from ocrstream_runtime.topics import ensure_topics
from ocrstream_schemas.topics import IMAGES_SUBMITTED, WORKERS_HEARTBEATS, lane_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))
OTHER_API = f"{API}-2"
BEATS = {"OCRSTREAM_HEARTBEAT_INTERVAL_S": "0.5"}
# Another's key, no JSON, not whole, another event, nothing.
HOSTILE: tuple[tuple[bytes, bytes | None], ...] = (
    (
        b"another",
        b'{"worker": "w", "host": "h", "engine": "e", "interval_s": 5, "started_at": "2026-01-01"}',
    ),
    (b"w", b"\xff\xfe"),
    (b"w", b'{"type": "WorkerSeen", "worker": "w"}'),
    (b"w", b'{"type": "ImageSubmitted", "image_path": "file:///a.png"}'),
    (b"w", None),
)


def name_of(system: System, worker: str) -> str:
    return f"{socket.gethostname()}-{system.processes[worker].pid}"


def asked(system: System, api: str, path: str) -> tuple[int, str]:
    """Status and content of the answer."""
    url = f"http://127.0.0.1:{system.ports[api]}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def workers(system: System, api: str = API) -> dict[str, dict[str, Any]] | None:
    """The workers by name; None while that process does not know them."""
    status, content = asked(system, api, "/v1/workers")
    if status == 503:
        return None
    page = json.loads(content)
    assert page["next_cursor"] is None
    return {one["worker"]: one for one in page["items"]}


def seen(system: System, name: str, **wanted: Any) -> dict[str, Any]:
    """The worker once it is as wanted."""

    def look() -> dict[str, Any] | None:
        one = (workers(system) or {}).get(name)
        return one if one and all(one[key] == value for key, value in wanted.items()) else None

    return eventually(f"{name} with {wanted}", look)


def run(system: System, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **system.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def write(system: System, *records: tuple[bytes, bytes | None]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=system.kafka) as producer:
        for key, value in records:
            await producer.send_and_wait(WORKERS_HEARTBEATS, value, key=key)


def start(system: System) -> tuple[str, str]:
    """Two that answer, ingest, and two workers, whose names it gives: a slow and a quick one."""
    for service in (API, OTHER_API, "ingest"):
        system.start(service, wait=False)
    # Its image outlasts the test.
    slow = {"OCRSTREAM_LANES": "urgent", "OCRSTREAM_NOOP_IMAGE_S": "60"}
    system.start("worker-slow", wait=False, **slow, **BEATS)
    system.start("worker-quick", wait=False, OCRSTREAM_LANES="gpu,default", **BEATS)
    for service in (API, OTHER_API, "ingest", "worker-slow", "worker-quick"):
        system.wait(service)
    return name_of(system, "worker-slow"), name_of(system, "worker-quick")


async def submit(system: System, lane: str | None, count: int) -> None:
    image = {"image_path": system.image("a.png"), "batch_id": str(lane)}
    topic = lane_topic(lane)
    await system.send(*((topic, None, {**image, "index": index}) for index in range(count)))


async def test_what_workers_do_is_told_and_shown(own_system: System) -> None:
    system = own_system
    slow, quick = start(system)
    await submit(system, None, 20)
    await submit(system, "urgent", 3)

    busy = seen(system, slow, alive=True, ready=True, images_in_flight=3, images_done=0)
    assert (busy["engine"], busy["device"], busy["lanes"]) == ("noop", "cpu", ["urgent"])
    assert busy["host"] == socket.gethostname()
    idle = seen(system, quick, alive=True, images_in_flight=0, images_done=20)
    assert idle["lanes"] == ["gpu", "default"]
    assert idle["images_per_s"] > 0
    assert idle["started_at"] < idle["last_seen_at"]

    shown = run(system, "workers")
    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines()}
    assert rows[slow][1:] == ["ready", "noop", *rows[slow][3:]]
    assert {"urgent", "3"} <= set(rows[slow])
    assert {"gpu,default", "20"} <= set(rows[quick])
    doctor = run(system, "doctor", "--json")
    found = {one["part"]: one for one in map(json.loads, doctor.stdout.splitlines())}
    assert found["workers"]["state"] == found["object store"]["state"] == "ok"
    assert found["workers"]["detail"].startswith("2 alive: ")


async def test_ends_are_told_of_by_every_recorder_alike_whatever_is_written(
    own_system: System,
) -> None:
    system = own_system
    slow, quick = start(system)
    await write(system, *HOSTILE)
    await submit(system, "urgent", 3)
    seen(system, slow, alive=True, images_in_flight=3)

    # Killed, it falls silent; stopped, it says so.
    os.kill(system.processes["worker-slow"].pid, signal.SIGKILL)
    gone = seen(system, slow, alive=False)
    assert (gone["stopped"], gone["ready"], gone["images_in_flight"]) == (False, False, 3)
    os.kill(system.processes["worker-quick"].pid, signal.SIGTERM)
    seen(system, quick, alive=False, stopped=True, images_in_flight=0)

    def both_tell_the_same() -> bool | None:
        return workers(system) == workers(system, OTHER_API) or None

    assert set(workers(system) or ()) == {slow, quick}
    eventually("the same answer of both", both_tell_the_same)
    # So does one that was not there when any of it happened.
    system.processes[OTHER_API].terminate()
    eventually("its end", lambda: not system.processes[OTHER_API].running or None)
    system.start(OTHER_API)
    eventually("the same answer of a new one", both_tell_the_same)
    for api in (API, OTHER_API):
        counted = f"ocrstream_recorder_invalid_heartbeats_total {len(HOSTILE)}.0"
        assert counted in asked(system, api, "/metrics")[1].splitlines()

    shown = run(system, "workers", "--json")
    assert shown.returncode == 1
    assert "no worker is alive" in shown.stderr
    states = {one["worker"]: one["stopped"] for one in map(json.loads, shown.stdout.splitlines())}
    assert states == {slow: False, quick: True}
    doctor = run(system, "doctor")
    assert doctor.returncode == 1
    assert f"none is alive; no heartbeat from {slow}" in doctor.stdout
    assert "start one" in doctor.stdout


async def test_a_cluster_without_the_topic_is_recorded_and_says_what_to_do(
    own_system: System,
) -> None:
    system = own_system
    admin = AIOKafkaAdminClient(bootstrap_servers=system.kafka)
    await admin.start()
    try:
        await admin.delete_topics([WORKERS_HEARTBEATS])
    finally:
        await admin.close()
    for service in ("recorder", "ingest", "worker-1"):
        system.start(service, wait=False, **BEATS)
    for service in ("recorder", "ingest", "worker-1"):
        system.wait(service)
    await system.send(
        (IMAGES_SUBMITTED, None, {"image_path": system.image("a.png"), "batch_id": "b"}),
        ("batches.commands", None, {"type": "BatchSubmitted", "batch_id": "b", "total_images": 1}),
    )
    assert system.ended("b")["status"] == "SUCCESS"

    def trouble() -> str | None:
        status, content = asked(system, API, "/v1/workers")
        return content if status == 503 and "are missing" in content else None

    assert "python -m ocrstream_runtime.topics" in eventually("what to do", trouble)
    shown = run(system, "workers")
    assert shown.returncode == 3
    assert "python -m ocrstream_runtime.topics" in shown.stderr
    assert await ensure_topics(system.kafka) == [WORKERS_HEARTBEATS]
    seen(system, name_of(system, "worker-1"), alive=True)
