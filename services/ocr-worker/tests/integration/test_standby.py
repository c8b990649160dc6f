"""A member that has nothing to do stays in the group and takes over."""

import asyncio
import secrets
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from ocrstream_schemas.events import ImageSubmitted
from ocrstream_schemas.topics import IMAGES_SUBMITTED, dead_letter_topic
from ocrstream_worker.concurrency import Permit
from ocrstream_worker.consumer import ImageConsumer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DEADLINE_S = 60.0
MAX_POLL_INTERVAL_S = 1.0
# A topic of one partition, so that one of two members gets nothing.
TOPIC = dead_letter_topic(IMAGES_SUBMITTED)


def member(bootstrap: str, group: str, client: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        # Members are served in the order of their ids, which begin with this.
        client_id=client,
        group_id=group,
        enable_auto_commit=False,
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        max_poll_interval_ms=int(MAX_POLL_INTERVAL_S * 1000),
        heartbeat_interval_ms=200,
        session_timeout_ms=10_000,
    )


async def nothing(image: ImageSubmitted, place: Permit) -> None:
    raise AssertionError(f"no image was expected: {image}")


async def test_a_standby_takes_over_however_long_it_had_nothing_to_do(kafka_bootstrap: str) -> None:
    group = f"test-{secrets.token_hex(6)}"
    busy = member(kafka_bootstrap, group, "a-busy")
    busy.subscribe([TOPIC])
    await busy.start()
    standby = member(kafka_bootstrap, group, "b-standby")
    consumer = ImageConsumer(
        standby,
        nothing,
        (TOPIC,),
        group_id=group,
        max_in_flight_images=2,
        max_backoff_images=2,
        max_uncommitted_records=10,
        drain_timeout_s=1,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    try:
        deadline = time.monotonic() + DEADLINE_S
        idle_since = None
        while idle_since is None or time.monotonic() < idle_since + 3 * MAX_POLL_INTERVAL_S:
            await busy.getmany(timeout_ms=50)
            assert time.monotonic() < deadline
            if consumer.joined and busy.assignment() and idle_since is None:
                idle_since = time.monotonic()
        assert standby.assignment() == set()
        await busy.stop()
        while standby.assignment() != {TopicPartition(TOPIC, 0)}:
            assert time.monotonic() < deadline, "the standby is not in the group any more"
            await asyncio.sleep(0.05)
    finally:
        stop.set()
        await running
        await busy.stop()
