"""Topics change under services that run: records are deleted, topics made anew or made wider."""

import functools
import itertools
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidTimestampError
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_local import processes
from ocrstream_runtime.topics import ensure_topics
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    BATCHES_COMPLETED,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
    WORKERS_HEARTBEATS,
    dead_letter_topic,
    lane_topic,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

URGENT, GPU = lane_topic("urgent"), lane_topic("gpu")
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def system(module_broker: Broker, database_url: str, tmp_path: Path) -> Generator[System]:
    """A system for one test alone, on topics that no other module reads."""
    system = System(tmp_path, module_broker.bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture
async def admin(module_broker: Broker) -> AsyncGenerator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=module_broker.bootstrap)
    await admin.start()
    yield admin
    await admin.close()


def stops(system: System) -> str:
    """What readiness tells of stopped partitions, as soon as it does."""
    return eventually("the stop", lambda: system.troubles("recorder").get("partitions"))


def stopped(system: System, topic: str) -> float:
    name = f'ocrstream_recorder_partitions_stopped{{topic="{topic}"}} '
    with urllib.request.urlopen(f"{system.recording_url}/metrics", timeout=10) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    (value,) = (line.removeprefix(name) for line in lines if line.startswith(name))
    return float(value)


def skip(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("ocrstream-recorder")
    return subprocess.run(
        [command, "skip", *arguments],
        env={"KAFKA_BOOTSTRAP_SERVERS": system.kafka, "DATABASE_URL": system.database},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_partition_stops_when_records_are_gone_and_goes_on_when_it_is_told_to(
    system: System, admin: AIOKafkaAdminClient
) -> None:
    place = TopicPartition(IMAGES_SUBMITTED, 0)
    system.start("recorder")
    await system.submit_to(place, "before", 2)
    system.seen("before", 2)
    processes.stop([system.processes["recorder"]], 20)
    await system.submit_to(place, "gone", 3)
    await admin.delete_records({place: RecordsToDelete(4)})
    process = system.start("recorder", wait=False)
    told = stops(system)
    assert "images.submitted 0: records 2 to 3 were deleted" in told
    assert "ocrstream-recorder skip images.submitted 0" in told
    assert stopped(system, IMAGES_SUBMITTED) == 1
    log = (system.folder / "logs" / "recorder.log").read_text()
    assert "partition stopped" in log
    # Others go on.
    await system.submit_to(TopicPartition(IMAGES_SUBMITTED, 1), "other", 1)
    system.seen("other", 1)

    answer = skip(system, IMAGES_SUBMITTED, "0")
    assert "goes on at 4" in answer.stdout
    assert "records 2 to 3 are lost" in answer.stdout
    system.seen("gone", 1)
    eventually("readiness", lambda: system.troubles("recorder") == {} or None)
    assert stopped(system, IMAGES_SUBMITTED) == 0

    # A topic that is made anew begins with the offsets that were recorded of the one before.
    await system.submit_to(TopicPartition(GPU, 0), "first", 5)
    system.seen("first", 5)
    await admin.delete_topics([GPU])
    await ensure_topics(system.kafka)
    await system.submit_to(TopicPartition(GPU, 0), "anew", 2)
    told = stops(system)
    assert "images.submitted.gpu 0: 5 was to be recorded next, but the log was made anew" in told
    assert "read from the beginning" in skip(system, GPU, "0").stdout
    system.seen("anew", 2)
    assert process.running


def test_what_cannot_be_skipped_is_said(system: System) -> None:
    for arguments, told in (
        (("images", "0"), "no recorder reads images, but"),
        ((IMAGES_SUBMITTED, "99"), "has no partition 99"),
        ((IMAGES_SUBMITTED, "0"), "nothing was read of images.submitted 0 yet"),
        ((IMAGES_SUBMITTED, "first"), "usage"),
    ):
        answer = skip(system, *arguments)
        assert answer.returncode == 1
        assert told in answer.stderr


async def test_what_comes_to_new_partitions_is_read_within_half_a_minute(
    system: System, admin: AIOKafkaAdminClient
) -> None:
    for name in ("recorder", "worker-1"):
        system.start(name, wait=False, OCRSTREAM_LANES="urgent,default")
    for name in ("recorder", "worker-1"):
        system.wait(name)
    wider = {URGENT: 13, BATCHES_COMMANDS: 4}
    await admin.create_partitions({topic: NewPartitions(count) for topic, count in wider.items()})

    async def send(topic: str, value: dict[str, str]) -> None:
        """To the topic's new partition."""
        async with AIOKafkaProducer(bootstrap_servers=system.kafka) as producer:
            partition = wider[topic] - 1
            while partition not in await producer.partitions_for(topic):
                await producer.client.force_metadata_update()
            encoded = json.dumps(value).encode()
            await producer.send_and_wait(topic, encoded, partition=partition)

    await send(BATCHES_COMMANDS, {"type": "BatchRevoked", "batch_id": "cancelled"})
    path = system.image("a.png")
    await send(URGENT, {"image_path": path})
    eventually("the result", lambda: system.get("/v1/images", image_path=path))
    eventually("the cancel", lambda: system.get("/v1/batches/cancelled"))

    def done(index: int) -> str | None:
        """The outcome of an image of the batch, once it has one."""
        statuses = {one["index"]: one["status"] for one in system.images("cancelled")}
        return statuses.get(index) if statuses.get(index) in {"SUCCESS", "REVOKED"} else None

    # Until the worker knows of the cancel it reads them.
    for index in itertools.count():
        image = {"image_path": path, "batch_id": "cancelled", "index": index}
        await system.send((IMAGES_SUBMITTED, None, image))
        if eventually("the outcome", functools.partial(done, index)) == "REVOKED":
            break


async def configured(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """What is set for the topic itself."""
    answer: Any = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((_, _, _, _, entries),) = answer[0].resources
    return {name: value for name, value, _, source, *_ in entries if source == 1}


async def test_topics_refuse_what_they_would_delete_before_it_is_read(
    system: System, admin: AIOKafkaAdminClient
) -> None:
    # As an earlier version made it, and somebody changed it.
    old = {"retention.ms": str(7 * DAY_MS // 10), "max.message.bytes": "300000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, OCR_RESULTS, old)])
    assert await ensure_topics(system.kafka) == []
    changed = await configured(admin, OCR_RESULTS)
    limits = {
        "message.timestamp.before.max.ms": str(6 * DAY_MS // 10),
        "message.timestamp.after.max.ms": "3600000",
    }
    assert changed == old | limits
    own = limits | {"message.timestamp.before.max.ms": "1000"}
    resource = ConfigResource(ConfigResourceType.TOPIC, OCR_RESULTS, old | own)
    await admin.alter_configs([resource])
    await ensure_topics(system.kafka)
    assert await configured(admin, OCR_RESULTS) == old | own

    async with AIOKafkaProducer(bootstrap_servers=system.kafka) as producer:
        now = (await producer.send_and_wait(TASKS_LIFECYCLE, b"{}")).timestamp
        for taken in (now - 5 * DAY_MS, now + DAY_MS // 48):
            await producer.send_and_wait(TASKS_LIFECYCLE, b"{}", timestamp_ms=taken)
        for refused in (0, now - 100 * DAY_MS, now - 7 * DAY_MS, now + DAY_MS):
            with pytest.raises(InvalidTimestampError):
                await producer.send_and_wait(TASKS_LIFECYCLE, b"{}", timestamp_ms=refused)


CLOCK = "Kafka refuses the time of this machine's clock, 20"


async def take_clocks(admin: AIOKafkaAdminClient, *topics: str, behind_by_ms: int = DAY_MS) -> None:
    """Have these topics take times that are so much behind."""
    limits = {"message.timestamp.before.max.ms": str(behind_by_ms)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic, limits) for topic in topics]
    await admin.alter_configs(resources)


async def refuse_clocks(admin: AIOKafkaAdminClient, *topics: str) -> None:
    """As if all clocks were behind: the broker's moves on before it looks."""
    await take_clocks(admin, *topics, behind_by_ms=0)


async def test_ingest_says_that_kafka_refuses_its_clock_and_recovers(
    system: System, admin: AIOKafkaAdminClient
) -> None:
    process = system.start("ingest")

    def post() -> httpx.Response:
        images = [{"image_path": "s3://b/a.png", "options": {"lane": "urgent"}}]
        body = {"batch_id": "b", "images": images}
        return httpx.post(f"{system.ingest_url}/v1/batches", json=body, timeout=30)

    await refuse_clocks(admin, URGENT)

    def refused() -> httpx.Response | None:
        answer = post()
        return answer if answer.status_code == 503 else None

    answer = eventually("a refusal", refused)
    assert answer.json()["title"] == "The clock is wrong"
    assert f"On ingest's machine: {CLOCK}" in answer.json()["detail"]
    # Again, not that the producer cannot send any more.
    assert eventually("a refusal", refused).json()["title"] == "The clock is wrong"
    await take_clocks(admin, URGENT)
    eventually("acceptance", lambda: True if post().status_code == 202 else None)
    assert process.running


def said_of_clock(system: System, name: str, check: str, level: str) -> None:
    """Returns once readiness and the log of a service say that its clock is refused."""

    def named() -> bool | None:
        return CLOCK in system.troubles(name).get(check, "") or None

    def logged() -> bool | None:
        log = (system.folder / "logs" / f"{name}.log").read_text().splitlines()
        return any(CLOCK in one and f'"level": "{level}"' in one for one in log) or None

    eventually(f"{name}'s readiness", named)
    eventually(f"{name}'s log", logged)


async def test_workers_and_recorders_say_that_kafka_refuses_their_clock_and_recover(
    system: System, admin: AIOKafkaAdminClient
) -> None:
    refusing = (OCR_RESULTS, WORKERS_HEARTBEATS, BATCHES_COMPLETED, dead_letter_topic(URGENT))
    await refuse_clocks(admin, *refusing)
    for name in ("recorder", "worker-1"):
        system.start(name, wait=False, OCRSTREAM_LANES="default")
    path = system.image("a.png")
    empty = {"type": "BatchSubmitted", "batch_id": "empty", "total_images": 0}
    image = {"image_path": path, "batch_id": "one", "batch_total": 1}
    await system.send((IMAGES_SUBMITTED, None, image), (BATCHES_COMMANDS, None, empty))
    said_of_clock(system, "worker-1", "publishing", "error")
    system.wait("recorder-api")
    assert system.ended("empty")["status"] == "SUCCESS"
    await system.send((URGENT, None, b"no event"))
    said_of_clock(system, "recorder", "writing", "warning")
    assert system.get("/v1/images", image_path=path) is None

    await take_clocks(admin, *refusing)
    assert system.ended("one")["status"] == "SUCCESS"
    completed = set[str]()
    while not completed >= {"one", "empty"}:
        completed = {json.loads(one)["batch_id"] for one in await system.read(BATCHES_COMPLETED)}
    for name in ("recorder", "worker-1"):
        eventually(name, functools.partial(ready, system, name))
        assert system.processes[name].running


def ready(system: System, name: str) -> bool | None:
    return system.troubles(name) == {} or None
