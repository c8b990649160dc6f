"""A stored offset that is not in the log: that partition stops, with an alarm; the others go on."""

import urllib.request

import psycopg
import pytest
from whole_system import System, eventually

from ocrstream_local import processes

pytestmark = pytest.mark.integration


def metric(system: System, name: str) -> float | None:
    with urllib.request.urlopen(f"{system.recording_url}/metrics", timeout=10) as answer:  # noqa: S310
        for line in answer.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.partition(" ")[2])
    return None


async def test_one_partition_stops_and_the_others_go_on(bare_system: System) -> None:
    system = bare_system
    system.start("recorder", wait=False)
    system.start("worker-1")
    system.wait("recorder")
    first, second = system.image("first.png"), system.image("second.png")
    await system.send(("images.submitted", None, {"image_path": first}))
    eventually("the first result", lambda: system.get("/v1/images", image_path=first))
    processes.stop([system.processes["recorder"]], 20)

    with psycopg.connect(system.database, autocommit=True) as connection:
        changed = connection.execute(
            "UPDATE recorder_offsets SET next_offset = next_offset + 1000"
            " WHERE topic = 'tasks.lifecycle' AND partition = 0"
        )
        assert changed.rowcount == 1
    system.start("recorder")
    eventually(
        "the alarm",
        lambda: metric(system, "ocrstream_recorder_partitions_stopped") == 1 or None,
    )
    log = (system.folder / "logs" / "recorder.log").read_text()
    assert "partition stopped" in log
    assert "recorder_offsets" in log
    await system.send(("images.submitted", None, {"image_path": second}))
    eventually("the second result", lambda: system.get("/v1/images", image_path=second))
