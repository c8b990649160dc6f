"""A batch of images on its way through workers, seen from outside: through Kafka and /metrics."""

import asyncio
import secrets
import time
import urllib.request
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ocrstream_local.processes import Process
from ocrstream_runtime.kafka import RawRecord, decode_event, stop_consumer
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import ImageSubmitted, OcrFailed, OcrSucceeded
from ocrstream_schemas.topics import OCR_RESULTS, TOPICS, lane_topic

Outcome = OcrSucceeded | OcrFailed

_SILENCE_S = 120.0
_POLL_MS = 200


class Batch:
    """Images that are submitted in one go, and every outcome that workers publish for them.

    Neighbours go to neighbouring partitions, and by turns two workers have those: if every file
    comes twice in a row, both get the same work.
    """

    def __init__(
        self,
        bootstrap: str,
        files: Sequence[Path],
        lane: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._files = files
        self._options = None if options is None else dict(options)
        self._topic = lane_topic(lane)
        self.batch_id = secrets.token_hex(6)
        self.outcomes: defaultdict[int, list[Outcome]] = defaultdict(list)
        """By the image's index, as often as they came."""
        self.began = 0.0
        """When the first image was on its way, by the monotonic clock."""
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
        self._reader = AIOKafkaConsumer(bootstrap_servers=bootstrap)

    async def submit(self) -> None:
        """Send all submissions; returns when the broker has them."""
        self.began = time.monotonic()
        sent = [
            await self._producer.send(
                self._topic,
                encode(
                    ImageSubmitted(
                        image_path=path.as_uri(),
                        batch_id=self.batch_id,
                        index=index,
                        batch_total=len(self._files),
                        options=self._options,
                    )
                ),
                partition=index % TOPICS[self._topic].partitions,
            )
            for index, path in enumerate(self._files)
        ]
        await asyncio.gather(*sent)

    async def progress(self) -> AsyncGenerator[int]:
        """How many images have an outcome, whenever more have; ends when all have."""
        heard = time.monotonic()
        while len(self.outcomes) < len(self._files):
            before = len(self.outcomes)
            await self.read()
            if len(self.outcomes) > before:
                heard = time.monotonic()
                yield len(self.outcomes)
            if time.monotonic() - heard > _SILENCE_S:
                raise TimeoutError(f"{before} of {len(self._files)} images, then nothing")

    async def read(self) -> None:
        """Take note of the outcomes that are there."""
        for records in (await self._reader.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                self._note(record)

    def _note(self, record: RawRecord) -> None:
        event = decode_event(record)
        if isinstance(event, Outcome) and event.batch_id == self.batch_id:
            assert event.index is not None
            self.outcomes[event.index].append(event)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        await self._reader.start()
        partitions = [
            TopicPartition(OCR_RESULTS, number) for number in range(TOPICS[OCR_RESULTS].partitions)
        ]
        self._reader.assign(partitions)
        await self._reader.seek_to_end(*partitions)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._producer.stop()
        await stop_consumer(self._reader)


def metric(worker: Process, series: str) -> float:
    """The value of one of the worker's series, as `/metrics` writes its name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    (value,) = (line.split()[-1] for line in lines if line.startswith(f"{series} "))
    return float(value)


def cpu_s(workers: Sequence[Process]) -> float:
    """CPU time that the workers and their children have taken so far."""
    times = [one.cpu_times() for worker in workers for one in worker.tree()]
    return sum(spent.user + spent.system for spent in times)


def resident_mib(worker: Process) -> float:
    """Memory that the worker and its children hold now; shared pages count for each of them."""
    return sum(one.memory_info().rss for one in worker.tree()) / 2**20
