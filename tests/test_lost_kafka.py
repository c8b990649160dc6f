"""Kafka's data is lost under services that run: they go over to the cluster that comes instead."""

import os
import signal
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_runtime.topics import ensure_topics
from ocrstream_schemas.topics import IMAGES_SUBMITTED, lane_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def lose_all_data(broker: Broker) -> None:
    """Another cluster, with another id, is then at the same port; its topics are empty."""
    broker.kill()
    broker.forget()
    broker.start()
    await ensure_topics(broker.bootstrap)


def ready(system: System, name: str) -> None:
    eventually(f"{name} is ready", lambda: system.troubles(name) == {} or None)


async def test_a_log_of_another_cluster_is_never_read_from_the_middle(
    own_system: System, own_broker: Broker
) -> None:
    system = own_system
    plain, urgent = TopicPartition(IMAGES_SUBMITTED, 0), TopicPartition(lane_topic("urgent"), 0)
    process = system.start("recorder")
    await system.submit_to(plain, "old", 5)
    await system.submit_to(urgent, "old-urgent", 5)
    system.seen("old", 5)
    system.seen("old-urgent", 5)
    # It sleeps until the new log has grown beyond where it had read the old one, and just to there.
    os.kill(process.pid, signal.SIGSTOP)
    await lose_all_data(own_broker)
    await system.submit_to(plain, "new", 8)
    await system.submit_to(urgent, "new-urgent", 5)
    os.kill(process.pid, signal.SIGCONT)
    system.seen("new", 8)
    system.seen("new-urgent", 5)
    ready(system, "recorder")
    assert process.running


async def test_what_is_submitted_after_the_loss_is_read_and_recorded(
    own_system: System, own_broker: Broker
) -> None:
    system = own_system
    for name in ("recorder", "ingest", "worker-1"):
        system.start(name, wait=False)
    for name in ("recorder", "ingest", "worker-1"):
        system.wait(name)

    def submit(batch_id: str) -> None:
        images = [
            {"image_path": system.image(f"{batch_id}{index}.png"), "index": index}
            for index in range(3)
        ]
        body: dict[str, Any] = {"batch_id": batch_id, "batch_total": 3, "images": images}

        def accepted() -> bool | None:
            answer = httpx.post(f"{system.ingest_url}/v1/batches", json=body, timeout=30)
            return True if answer.status_code == 202 else None

        eventually("acceptance", accepted)

    submit("old")
    assert system.ended("old")["completed_images"] == 3
    for batch_id in ("new", "newest"):
        await lose_all_data(own_broker)
        submit(batch_id)
        assert system.ended(batch_id)["completed_images"] == 3
    for name in ("recorder", "ingest", "worker-1"):
        ready(system, name)
        assert system.processes[name].running
