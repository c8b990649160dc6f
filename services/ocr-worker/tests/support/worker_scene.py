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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from PIL import Image

from ocrstream_local.processes import free_port
from ocrstream_runtime.kafka import record_ref, stop_consumer
from ocrstream_schemas.codec import decode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import OcrFailed, OcrSucceeded, TaskRevoked
from ocrstream_schemas.topics import (
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
)

DEADLINE_S = 90.0
STOP_S = 6.0


async def until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:g} s"
        await asyncio.sleep(0.05)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


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
            return bool(self._get("/readyz"))
        except OSError:
            return False

    async def metric(self, name: str) -> float:
        """The value of a series, as `/metrics` writes it."""
        text = await asyncio.to_thread(self._get, "/metrics")
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
        return float(line.split()[-1])

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as got:
            return got.read().decode()

    def children(self, module: str) -> list[int]:
        """Its processes that run a module."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [pid for pid in map(int, listed.split()) if module in _command(pid).split("\0")]

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
                # The least that Kafka allows: others wait so long for one that is killed.
                "OCRSTREAM_SESSION_TIMEOUT_S": "6",
                "OCRSTREAM_HTTP_PORT": str(port),
                "OCRSTREAM_IMAGE_ROOTS": str(self.folder / "roots"),
                "OCRSTREAM_OBJECT_ROOT": str(self.folder / "objects"),
                "OCRSTREAM_REUSE_ROOT": str(self.folder / "results"),
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

    async def submit(
        self,
        *references: str,
        topic: str = IMAGES_SUBMITTED,
        options: dict[str, Any] | None = None,
    ) -> list[str]:
        """Submits images in one go; returns their chain ids, which sort in their order."""
        first = len(self.places)
        chains = [f"{self.batch}-{first + n:05}" for n in range(len(references))]
        sends = [
            await self._producer.send(
                topic,
                json.dumps(
                    {
                        "image_path": reference,
                        "chain_id": chain,
                        "batch_id": self.batch,
                        "options": options,
                    }
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
                try:
                    event: Any = decode(record.topic, record.value, record_ref(record))
                except InvalidRecordError:
                    # Other tests on the same broker send what is no event.
                    continue
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
