"""Heartbeats on a real broker, and with none: they hold up nothing and do not pile up."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from real_servers import Broker

from ocrstream_runtime.kafka import record_ref
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import WorkerSeen
from ocrstream_schemas.topics import WORKERS_HEARTBEATS
from ocrstream_worker.heartbeats import Heartbeats, WorkerActivity

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

INTERVAL_S = 0.1
PLACE = TopicPartition(WORKERS_HEARTBEATS, 0)


def heartbeats(
    bootstrap: str, look: Callable[[], WorkerActivity], interval_s: float = INTERVAL_S
) -> Heartbeats:
    settings = ServiceSettings(KAFKA_BOOTSTRAP_SERVERS=bootstrap)  # pyright: ignore[reportCallIssue]
    told = WorkerSeen(
        worker="w",
        host="h",
        engine="noop",
        started_at=datetime.now(UTC),
        interval_s=interval_s,
    )
    return Heartbeats(settings, told, look)


class Reader:
    """Reads what the topic holds."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.said: list[WorkerSeen] = []
        self.keys: set[Any] = set()
        self.headers: set[str] = set()

    async def read(self, at_least: int) -> list[WorkerSeen]:
        """All heartbeats so far, once there are so many."""
        async with AIOKafkaConsumer(bootstrap_servers=self._bootstrap) as consumer:
            consumer.assign([PLACE])
            await consumer.seek_to_beginning(PLACE)
            self.said = []
            while True:
                end = (await consumer.end_offsets([PLACE]))[PLACE]
                if len(self.said) >= at_least and await consumer.position(PLACE) >= end:
                    return self.said
                for record in (await consumer.getmany(PLACE, timeout_ms=200)).get(PLACE, []):
                    event = decode(record.topic, record.value, record_ref(record))
                    assert isinstance(event, WorkerSeen)
                    self.said.append(event)
                    self.keys.add(record.key)
                    self.headers |= {name for name, _ in record.headers}


async def test_a_worker_tells_what_it_does_and_that_it_stops(own_broker: Broker) -> None:
    done = 0

    def look() -> WorkerActivity:
        nonlocal done
        done += 10
        return WorkerActivity(ready=True, images_in_flight=3, images_done=done)

    # What is not taken within an interval is dropped: the partition has its leader before they
    # begin, and they have time.
    interval_s = 0.5
    reader = Reader(own_broker.bootstrap)
    assert await reader.read(at_least=0) == []
    stop = asyncio.Event()
    running = asyncio.create_task(heartbeats(own_broker.bootstrap, look, interval_s).run(stop))
    await reader.read(at_least=3)
    stop.set()
    await running
    *said, last = await reader.read(at_least=4)
    assert [one.images_done for one in said] == [10 * (n + 1) for n in range(len(said))]
    assert {one.images_in_flight for one in said} == {3}
    assert all(one.ready and not one.stopped for one in said)
    # Ten an interval, or fewer where the machine was late.
    assert 0 < said[-1].images_per_s <= 10 / interval_s * 1.5
    assert (last.stopped, last.ready) == (True, False)
    assert reader.keys == {b"w"}
    assert "ce_type" in reader.headers
    assert "traceparent" not in reader.headers


async def test_without_a_broker_it_goes_on_and_ends_when_told() -> None:
    looked = 0

    def look() -> WorkerActivity:
        nonlocal looked
        looked += 1
        return WorkerActivity(ready=True, images_in_flight=0, images_done=0)

    # A port that takes connections and answers nothing, which is worse than one that is closed.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stop = asyncio.Event()
        beating = heartbeats(f"127.0.0.1:{silent.getsockname()[1]}", look)
        running = asyncio.create_task(beating.run(stop))
        while looked < 5:
            assert not running.done()
            await asyncio.sleep(0.01)
        stop.set()
        async with asyncio.timeout(30):
            await running


async def test_what_a_broker_that_was_away_has_missed_is_dropped(own_broker: Broker) -> None:
    looked = 0

    def look() -> WorkerActivity:
        nonlocal looked
        looked += 1
        return WorkerActivity(ready=True, images_in_flight=0, images_done=looked)

    async def looks(more: int) -> None:
        until = looked + more
        deadline = time.monotonic() + 60
        while looked < until:
            assert time.monotonic() < deadline, "it waits for the broker"
            assert not running.done()
            await asyncio.sleep(0.01)

    stop = asyncio.Event()
    running = asyncio.create_task(heartbeats(own_broker.bootstrap, look).run(stop))
    reader = Reader(own_broker.bootstrap)
    before = len(await reader.read(at_least=1))
    await asyncio.to_thread(own_broker.kill)
    killed_at = looked
    await looks(30)
    back_at = looked
    await asyncio.to_thread(own_broker.start)
    said = await reader.read(at_least=before + 3)
    stop.set()
    await running
    missed = [one for one in said if killed_at < one.images_done <= back_at]
    # Of those thirty some of the last may have waited in the producer.
    assert len(missed) < 25, json.dumps([one.images_done for one in said])
