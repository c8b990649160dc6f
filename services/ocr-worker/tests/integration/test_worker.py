"""The worker as a process, on a real broker, seen through its events and its group's offsets."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from PIL import Image
from real_servers import Broker

from ocrstream_local.processes import free_port
from ocrstream_runtime.kafka import record_ref, stop_consumer
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import BatchRevoked, OcrFailed, OcrSucceeded, Reason, TaskRevoked
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DEADLINE_S = 90.0
STOP_S = 6.0


async def until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:g} s"
        await asyncio.sleep(0.05)


@dataclass
class Worker:
    """One worker process."""

    process: asyncio.subprocess.Process
    port: int

    async def ready(self) -> bool:
        assert self.process.returncode is None, "the worker ended"
        return await asyncio.to_thread(self._answers_ready)

    def _answers_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as got:
                return got.status == 200
        except OSError:
            return False

    async def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@dataclass
class Scene:
    """A broker with ids of this test's own, its workers, and what they say about its images."""

    bootstrap: str
    folder: Path
    group: str = field(default_factory=lambda: f"test-{secrets.token_hex(6)}")
    batch: str = field(default_factory=lambda: secrets.token_hex(6))
    events: dict[str, list[Any]] = field(default_factory=lambda: defaultdict[str, list[Any]](list))
    places: list[tuple[TopicPartition, int]] = field(
        default_factory=list[tuple[TopicPartition, int]]
    )
    workers: list[Worker] = field(default_factory=list[Worker])

    async def __aenter__(self) -> Self:
        (self.folder / "roots").mkdir()
        Image.new("RGB", (40, 30), "white").save(self.folder / "roots" / "a.png")
        self.good = (self.folder / "roots" / "a.png").as_uri()
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        self._reader = AIOKafkaConsumer(
            OCR_RESULTS,
            TASKS_LIFECYCLE,
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
        )
        await self._producer.start()
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                await worker.kill()
        await self._producer.stop()
        await stop_consumer(self._reader)

    async def start(self, **settings: str) -> Worker:
        """A worker with the noop engine, not ready yet."""
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ocrstream_worker",
            stdin=asyncio.subprocess.DEVNULL,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "OCRSTREAM_ENGINE": "noop",
                "OCRSTREAM_GROUP_ID": self.group,
                "OCRSTREAM_HTTP_PORT": str(port),
                "OCRSTREAM_IMAGE_ROOTS": str(self.folder / "roots"),
                "OCRSTREAM_OBJECT_ROOT": str(self.folder / "objects"),
                "OCRSTREAM_SHUTDOWN_TIMEOUT_S": f"{STOP_S:g}",
                **settings,
            },
        )
        worker = Worker(process, port)
        self.workers.append(worker)
        return worker

    async def ready(self, **settings: str) -> Worker:
        worker = await self.start(**settings)
        await until("ready", worker.ready)
        return worker

    async def produce(self, topic: str, *values: bytes | None) -> None:
        for value in values:
            sent = await self._producer.send_and_wait(topic, value, key=b"key")
            if topic == IMAGES_SUBMITTED:
                self.places.append((TopicPartition(sent.topic, sent.partition), sent.offset))

    async def submit(self, *references: str) -> list[str]:
        """Submits images in one go; returns their chain ids, which sort in their order."""
        first = len(self.places)
        chains = [f"{self.batch}-{first + n:05}" for n in range(len(references))]
        sends = [
            await self._producer.send(
                IMAGES_SUBMITTED,
                json.dumps(
                    {"image_path": reference, "chain_id": chain, "batch_id": self.batch}
                ).encode(),
                key=chain.encode(),
            )
            for chain, reference in zip(chains, references, strict=True)
        ]
        for sent in await asyncio.gather(*sends):
            self.places.append((TopicPartition(sent.topic, sent.partition), sent.offset))
        return chains

    async def outcomes(self, chains: list[str]) -> dict[str, list[Any]]:
        """The outcomes of the chains, by chain, once there is one of each."""

        async def all_there() -> bool:
            await self.read()
            return self.done(chains) == len(chains)

        await until("outcomes", all_there)
        ends = OcrSucceeded | OcrFailed | TaskRevoked
        return {
            chain: [event for event in self.events[chain] if isinstance(event, ends)]
            for chain in chains
        }

    def done(self, chains: list[str]) -> int:
        ends = OcrSucceeded | OcrFailed | TaskRevoked
        return sum(any(isinstance(event, ends) for event in self.events[c]) for c in chains)

    async def some_done(self, chains: list[str], at_least: int) -> None:
        async def enough() -> bool:
            await self.read()
            return self.done(chains) >= at_least

        await until(f"{at_least} outcomes", enough)

    async def read(self) -> None:
        found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]] = await self._reader.getmany(
            timeout_ms=100
        )
        for records in found.values():
            for record in records:
                event: Any = decode(record.topic, record.value, record_ref(record))
                self.events[event.chain_id].append(event)

    async def all_committed(self) -> None:
        """Returns when the group will read none of the records again."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:

            async def passed() -> bool:
                offsets = await admin.list_consumer_group_offsets(self.group)
                return all(
                    place in offsets and offsets[place].offset > offset
                    for place, offset in self.places
                )

            await until("commits", passed)
        finally:
            await admin.close()


@pytest.fixture
async def scene(kafka_bootstrap: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    async with Scene(kafka_bootstrap, tmp_path) as scene:
        yield scene


async def test_every_image_has_one_outcome_and_every_record_is_committed(scene: Scene) -> None:
    broken = scene.folder / "roots" / "broken.png"
    broken.write_bytes(b"no image")
    outside = scene.folder / "outside.png"
    outside.write_bytes(b"secret")
    before = await scene.submit(*[scene.good] * 100)
    await scene.produce(IMAGES_SUBMITTED, b"{", b'{"image_path": 1}', b"\xff", None)
    bad = await scene.submit(
        (scene.folder / "roots" / "absent.png").as_uri(),
        outside.as_uri(),
        broken.as_uri(),
        "https://example.org/a.png",
    )
    after = await scene.submit(*[scene.good] * 100)
    worker = await scene.ready()
    outcomes = await scene.outcomes([*before, *bad, *after])
    await scene.all_committed()
    assert await worker.stop() == 0
    await scene.read()
    for chain in (*before, *after):
        (event,) = outcomes[chain]
        assert isinstance(event, OcrSucceeded)
        assert (len(event.boxes), event.batch_id, event.attempt) == (30, scene.batch, 1)
        assert event.started_at is not None
        assert event.finished_at is not None
        assert event.started_at <= event.finished_at
    assert [event.reason for chain in bad for event in outcomes[chain]] == [
        Reason.NOT_FOUND,
        Reason.REFUSED,
        Reason.UNDECODABLE,
        Reason.REFUSED,
    ]


async def test_stopped_amid_a_batch_another_finishes_it(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 120)
    worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.02")
    await scene.some_done(chains, 5)
    assert await worker.stop() == 0
    await scene.read()
    assert scene.done(chains) < len(chains)
    await scene.start()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    # It had the time to finish what it held: nothing was read twice.
    assert {len(events) for events in outcomes.values()} == {1}


async def test_killed_amid_a_batch_another_finishes_it(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 120)
    worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.02")
    await scene.some_done(chains, 5)
    await worker.kill()
    await scene.read()
    assert scene.done(chains) < len(chains)
    await scene.start()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    assert all(isinstance(event, OcrSucceeded) for one in outcomes.values() for event in one)


async def test_what_was_cancelled_before_the_start_is_never_read(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 20)
    await scene.produce(
        BATCHES_COMMANDS,
        b"no command",
        json.dumps({"type": BatchRevoked.__name__, "batch_id": scene.batch}).encode(),
    )
    await scene.ready()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    for (event,) in outcomes.values():
        assert isinstance(event, TaskRevoked)
        assert event.batch_id == scene.batch


async def test_a_broker_that_goes_away_and_comes_back_loses_nothing(
    own_broker: Broker, tmp_path: Path
) -> None:
    async with Scene(own_broker.bootstrap, tmp_path) as scene:
        chains = await scene.submit(*[scene.good] * 80)
        worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.05")
        await scene.some_done(chains, 5)
        own_broker.kill()

        async def not_ready() -> bool:
            return not await worker.ready()

        await until("not ready", not_ready)
        await asyncio.to_thread(own_broker.start)
        outcomes = await scene.outcomes(chains)
        await scene.all_committed()
        await until("ready again", worker.ready)
        assert all(isinstance(event, OcrSucceeded) for one in outcomes.values() for event in one)


async def test_it_ends_in_time_while_the_broker_is_away(own_broker: Broker, tmp_path: Path) -> None:
    async with Scene(own_broker.bootstrap, tmp_path) as scene:
        chains = await scene.submit(*[scene.good] * 80)
        worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.05")
        await scene.some_done(chains, 5)
        own_broker.kill()
        worker.process.send_signal(signal.SIGTERM)
        # Its own limit, and what a busy machine may add.
        async with asyncio.timeout(STOP_S + 20):
            await worker.process.wait()
        # For this test's own clients, which say goodbye to it.
        await asyncio.to_thread(own_broker.start)
