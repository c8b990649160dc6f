"""GET /v1/lag: records that wait, of a real broker and database."""

from typing import Any

import httpx
import pytest
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_schemas.topics import IMAGES_SUBMITTED, lane_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def asked(system: System) -> tuple[int, Any]:
    answer = httpx.get(f"{system.recorder_url}/v1/lag", timeout=20)
    return answer.status_code, answer.json()


def waiting(system: System, reader: str) -> dict[str, int] | None:
    """By topic; None while it is not known."""
    status, answer = asked(system)
    if status != 200:
        return None
    assert answer["next_cursor"] is None
    items = [one for one in answer["items"] if one["reader"] == reader]
    assert {one["group"] for one in items} == {
        f"worker-{system.group}" if reader == "workers" else None
    }
    return {one["topic"]: one["waiting_records"] for one in items}


def becomes(system: System, reader: str, wanted: dict[str, int]) -> None:
    def look() -> bool | None:
        found = waiting(system, reader)
        others = dict.fromkeys(found or (), 0)
        return True if found == {**others, **wanted} else None

    eventually(f"{reader} with {wanted}", look)


async def submit(system: System, lane: str | None, count: int) -> None:
    image = {"image_path": system.image("a.png"), "batch_id": f"of {lane}"}
    topic = lane_topic(lane)
    await system.send(*((topic, b"%d" % n, {**image, "index": n}) for n in range(count)))


async def test_what_waits_is_told_by_reader_topic_and_lane(
    own_system: System, own_broker: Broker
) -> None:
    system = own_system
    system.start("recorder")
    await submit(system, None, 30)
    await submit(system, "urgent", 7)
    unread = {IMAGES_SUBMITTED: 30, lane_topic("urgent"): 7}
    becomes(system, "workers", unread)
    becomes(system, "recorder", {})
    _, answer = asked(system)
    lanes = {one["lane"] for one in answer["items"] if one["reader"] == "workers"}
    assert lanes == {"default", "urgent", "gpu"}

    system.start("worker-1", OCRSTREAM_LANES="urgent")
    becomes(system, "workers", {IMAGES_SUBMITTED: 30})
    system.start("worker-2")
    becomes(system, "workers", {})
    becomes(system, "recorder", {})

    own_broker.kill()

    def told() -> bool | None:
        status, answer = asked(system)
        return True if status == 503 and answer["title"] == "Consumer lag unavailable" else None

    eventually("that Kafka is away", told)
