"""A right that is missing holds up what needs it, and nothing is lost; granted, all goes on."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from acls import allow_writing, deny_writing
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_schemas.topics import IMAGES_SUBMITTED, dead_letter_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LETTERS = dead_letter_topic(IMAGES_SUBMITTED)


@pytest.fixture
def system(guarded_broker: Broker, database_url: str, tmp_path: Path) -> Generator[System]:
    system = System(tmp_path, guarded_broker.bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


async def until_denied(bootstrap: str) -> None:
    """Returns when the broker keeps to the rule, some time after it was told."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        while True:
            try:
                await producer.send_and_wait(LETTERS, b"written before the rule holds")
            except TopicAuthorizationFailedError:
                return


def offsets(system: System) -> dict[tuple[str, int], int]:
    """How far the recorder is in the partitions of images that it began."""
    with psycopg.connect(system.database) as connection:
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM recorder_offsets"
            " WHERE topic = %s AND next_offset > 0",
            (IMAGES_SUBMITTED,),
        )
        return {(topic, partition): offset for topic, partition, offset in rows}


def readiness(system: System, status: int) -> str:
    """What `/readyz` says of writing, once it answers with this status."""

    def look() -> str | None:
        answer = httpx.get(f"{system.recording_url}/readyz", timeout=10)
        said: dict[str, str] = answer.json()["troubles"]
        return said.get("writing", "") if answer.status_code == status else None

    return eventually(f"a recorder that answers {status}", look)


def is_alive(system: System) -> bool:
    return httpx.get(f"{system.recording_url}/livez", timeout=10).status_code == 200


def letters(system: System) -> list[dict[str, Any]]:
    page = system.get("/v1/dead-letters")
    assert page is not None
    return page["items"]


@pytest.mark.parametrize("used_before", [False, True])
async def test_a_dead_letter_topic_that_may_not_be_written_to(
    system: System, *, used_before: bool
) -> None:
    system.start("recorder")
    known = 0
    if used_before:
        await system.send((IMAGES_SUBMITTED, b"key", b"garbage"))
        eventually("the first dead letter", lambda: letters(system) or None)
        known = 1
    await deny_writing(system.kafka, LETTERS)
    await until_denied(system.kafka)
    before = offsets(system)
    good = {"image_path": system.image("good.png"), "batch_id": "b", "batch_total": 1}
    await system.send((IMAGES_SUBMITTED, b"key", b"more"), (IMAGES_SUBMITTED, b"key", good))

    said = readiness(system, 503)
    assert LETTERS in said
    assert "TopicAuthorizationFailed" in said
    assert is_alive(system)
    assert offsets(system) == before
    assert len(letters(system)) == known
    # What lies behind it has the same key, and so the same partition.
    assert system.get("/v1/batches/b") is None

    await allow_writing(system.kafka, LETTERS)
    readiness(system, 200)
    assert len(letters(system)) == known + 1
    eventually("what lay behind it", lambda: system.get("/v1/batches/b"))
    assert system.processes["recorder"].running
