"""All services as real processes, for tests that look at the system from outside."""

import json
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from PIL import Image

from ocrstream_local import processes
from ocrstream_local.processes import Process, free_port
from ocrstream_local.services import Service
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED, TOPICS

ResultT = TypeVar("ResultT")

API = "recorder-api"
"""What answers from what the recorders have written."""

_WAIT_S = 60.0


def eventually(
    what: str, attempt: Callable[[], ResultT | None], within_s: float = _WAIT_S
) -> ResultT:
    """What `attempt` returns once it is not None; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        result = attempt()
        if result is not None:
            return result
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(0.1)


@dataclass
class System:
    """Services on one broker and database. Every image in `folder` may be referenced."""

    folder: Path
    kafka: str
    database: str
    engine: str = "noop"
    group: str = field(default_factory=lambda: secrets.token_hex(4))
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    processes: dict[str, Process] = field(default_factory=dict[str, Process])
    ports: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def recorder_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[API]}"

    @property
    def recording_url(self) -> str:
        """Where the process that records tells of its health."""
        return f"http://127.0.0.1:{self.ports['recorder']}"

    @property
    def ingest_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['ingest']}"

    @property
    def environment(self) -> dict[str, str]:
        """What clients need to find the system."""
        return {
            "INGEST_URL": self.ingest_url,
            "RECORDER_URL": self.recorder_url,
            "RECORDING_URLS": self.recording_url if "recorder" in self.ports else "",
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
        }

    def start(self, name: str, *, wait: bool = True, **settings: str) -> Process:
        """Start `recorder`, `recorder-api`, `ingest` or `worker-…`; again on the same port.

        With a recorder comes `recorder-api`, which answers for all of them, if it does not run.
        """
        kind, serves = name.partition("-")[0], name.startswith(API)
        for one in (name, API, "ingest"):
            self.ports.setdefault(one, free_port())
        port = self.ports[name]
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "DATABASE_URL": self.database if kind == "recorder" else "",
            "OCRSTREAM_OBJECT_ROOT": str(self.folder / "objects"),
            "OCRSTREAM_REUSE_ROOT": str(self.folder / "results"),
            "OCRSTREAM_IMAGE_ROOTS": str(self.folder),
            "OCRSTREAM_ENGINE": self.engine,
            "OCRSTREAM_GROUP_ID": f"{kind}-{self.group}",
            # The least that Kafka allows: others wait so long for one that is killed.
            "OCRSTREAM_SESSION_TIMEOUT_S": "6",
            "OCRSTREAM_WORKER_GROUP_ID": f"worker-{self.group}",
            "OCRSTREAM_INGEST_URL": self.ingest_url,
            "OCRSTREAM_ALLOWED_ORIGINS": self.recorder_url,
            **settings,
        }
        if kind == "ingest":
            environment = {"RECORDER_URL": self.recorder_url, **environment}
        command = (f"ocrstream-{kind}", *(["serve"] if serves else []))
        service = Service(name, command, port, environment)
        self.services[name] = service
        self.processes[name] = service.start(self.folder / "logs")
        if kind == "recorder" and not serves and not self._runs(API):
            self.start(API, wait=False, **settings)
        if wait:
            self.wait(name)
        return self.processes[name]

    def wait(self, name: str) -> None:
        """Returns when the service is ready; with a recorder, also what answers for it."""
        names = [name, API] if name.startswith("recorder") and self._runs(API) else [name]
        for one in names:
            self.services[one].wait(self.processes[one])

    def _runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].running

    def stop(self) -> None:
        """Stop everything that runs."""
        processes.stop(self.processes.values(), 30)

    def image(self, name: str, size: tuple[int, int] = (40, 20)) -> str:
        """A reference to a new, small image."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "white").save(path)
        return path.as_uri()

    async def send(self, *records: tuple[str, bytes | None, Any], **headers: str) -> None:
        """Produce records with a bare producer: (topic, key, value as JSON or bytes)."""
        carried = [(name, content.encode()) for name, content in headers.items()]
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            for topic, key, value in records:
                raw = value if isinstance(value, bytes) else json.dumps(value).encode()
                await producer.send_and_wait(topic, raw, key=key, headers=carried)

    async def submit(self, batch_id: str, images: list[str], total: int) -> None:
        """A batch by references, of which `total` are announced."""
        announced = {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": total}
        told = [
            (IMAGES_SUBMITTED, None, {"image_path": path, "batch_id": batch_id, "index": index})
            for index, path in enumerate(images)
        ]
        await self.send((BATCHES_COMMANDS, None, announced), *told)

    async def submit_to(self, place: TopicPartition, batch_id: str, count: int) -> None:
        """Images of a batch, all to one partition, that no worker could find."""
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            for index in range(count):
                told = {"image_path": f"file:///{index}", "batch_id": batch_id, "index": index}
                value = json.dumps(told).encode()
                await producer.send_and_wait(place.topic, value, partition=place.partition)

    def seen(self, batch_id: str, images: int) -> None:
        """Returns once exactly so many images of a batch are recorded."""

        def look() -> bool | None:
            batch = self.get(f"/v1/batches/{batch_id}")
            return True if batch and batch["seen_images"] == images else None

        eventually(f"{images} images of {batch_id}", look)

    def troubles(self, name: str) -> dict[str, str]:
        """What a service's readiness names now."""
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["troubles"]
        except HTTPError as error:
            return json.load(error)["troubles"]
        except URLError as error:
            return {"service": str(error)}

    async def read(self, topic: str) -> list[bytes]:
        """The values that a topic holds, in order within each partition."""
        partitions = [TopicPartition(topic, one) for one in range(TOPICS[topic].partitions)]
        found: list[bytes] = []
        async with AIOKafkaConsumer(bootstrap_servers=self.kafka) as consumer:
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            for partition, end in (await consumer.end_offsets(partitions)).items():
                while await consumer.position(partition) < end:
                    records = await consumer.getmany(partition, timeout_ms=1000)
                    found += [one.value for one in records.get(partition, []) if one.value]
        return found

    def get(self, path: str, **parameters: str) -> dict[str, Any] | None:
        """The recorder's answer, None for 404."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        url = self.recorder_url + urllib.parse.quote(path) + query
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            if error.code != 404:
                raise
            return None

    def ended(self, batch_id: str) -> dict[str, Any]:
        """The batch once it has ended."""

        def look() -> dict[str, Any] | None:
            batch = self.get(f"/v1/batches/{batch_id}")
            return batch if batch and batch["status"] in {"SUCCESS", "FAILURE", "REVOKED"} else None

        return eventually(f"end of batch {batch_id}", look)

    def images(self, batch_id: str) -> list[dict[str, Any]]:
        """All images of a batch."""
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            more = {"cursor": cursor} if cursor else {}
            page = self.get(f"/v1/batches/{batch_id}/images", limit="50", **more)
            assert page is not None
            items += page["items"]
            cursor = page["next_cursor"]
        return items
