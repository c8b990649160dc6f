"""How fast ingest takes submissions: `make bench-ingest`.

The real service and bare baselines write to one real Kafka, and uploads to one disk; what is
compared is measured in the same run, interleaved.
"""

import asyncio
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from aiokafka import AIOKafkaProducer
from report import Row, at_least, limited, publish, say
from rig import Rig, memory_mib

from ocrstream_ingest.models import BatchDescription
from ocrstream_ingest.publisher import Publisher, Record
from ocrstream_ingest.submission import Submission
from ocrstream_local import processes
from ocrstream_local.processes import Process, free_port
from ocrstream_local.services import Service
from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings

ROUNDS = 3
# Less than all of it, like 0.1, is enough to see that it works.
SCALE = float(sys.argv[1]) if sys.argv[1:] else 1.0
PUBLISHED = int(100_000 * SCALE)
LINES = int(1_000_000 * SCALE)
WARM_LINES = LINES // 10
UPLOADS = 100
UPLOAD_BYTES = 1 << 20
LEAST_LINES_PER_S = 15_000.0
LEAST_LINES_RATIO = 0.35
MOST_MEMORY_MIB = 200.0
MOST_GROWTH_MIB = 20.0

_AT_ONCE = 1000
_FOLDER = Path(".local/bench-ingest-objects")


class Figures:
    """What was measured, a value a round."""

    def __init__(self) -> None:
        self.values: defaultdict[str, list[float]] = defaultdict(list)

    def tell(self, name: str, value: float) -> None:
        self.values[name].append(value)
        say(f"  {name}: {value:,.0f}/s")


def records(count: int) -> list[Record]:
    """What ingest would send for so many references."""
    submission = Submission(BatchDescription(), "bench", datetime.now(UTC))
    return [
        submission.image_record(f"s3://scans/2026/05/{n:08}.png", n, pointer=str)
        for n in range(count)
    ]


async def by_service(bootstrap: str, some: list[Record]) -> float:
    """Seconds until the service's publisher has all acknowledged."""
    publisher = Publisher(_settings(bootstrap), "bench", timeout_s=60)
    await publisher.start()
    try:
        await publisher.publish("bench", some[:_AT_ONCE])
        began = time.perf_counter()
        for start in range(0, len(some), _AT_ONCE):
            await publisher.publish("bench", some[start : start + _AT_ONCE])
        return time.perf_counter() - began
    finally:
        await publisher.stop()


async def by_bare_producer(bootstrap: str, some: list[Record]) -> float:
    """Seconds until a bare aiokafka producer has the same bytes acknowledged."""
    async with create_producer(_settings(bootstrap), "bench") as producer:
        await _send_each(producer, some[:_AT_ONCE])
        began = time.perf_counter()
        await _send_each(producer, some)
        return time.perf_counter() - began


async def _send_each(producer: AIOKafkaProducer, some: list[Record]) -> None:
    sent = [
        await producer.send(record.topic, record.value, record.key, headers=record.headers)
        for record in some
    ]
    await asyncio.gather(*sent)


def _settings(bootstrap: str) -> ServiceSettings:
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = bootstrap
    return ServiceSettings()


async def stream(url: str, count: int) -> float:
    """Seconds that the service takes for so many references as NDJSON."""

    async def lines() -> AsyncIterator[bytes]:
        for start in range(0, count, _AT_ONCE):
            yield b"".join(
                b'{"image_path":"s3://scans/2026/05/%08d.png"}\n' % n
                for n in range(start, min(start + _AT_ONCE, count))
            )

    async with httpx.AsyncClient(timeout=300) as client:
        began = time.perf_counter()
        answer = await client.post(
            f"{url}/v1/batches",
            content=lines(),
            headers={"content-type": "application/x-ndjson"},
        )
        took_s = time.perf_counter() - began
    if answer.status_code != 202 or answer.json()["total_images"] != count:
        raise AssertionError(f"not accepted: {answer.status_code} {answer.text}")
    return took_s


async def upload(url: str, round_number: int) -> float:
    """Seconds for all uploads, sent at once, each a request."""
    contents = [os.urandom(UPLOAD_BYTES) for _ in range(UPLOADS)]
    limits = httpx.Limits(max_connections=UPLOADS)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:

        async def one(number: int) -> httpx.Response:
            name = f"{round_number}-{number}.png"
            return await client.post(url, files={"files": (name, contents[number])})

        began = time.perf_counter()
        answers = await asyncio.gather(*(one(number) for number in range(UPLOADS)))
        took_s = time.perf_counter() - began
    for answer in answers:
        if answer.status_code not in {200, 202}:
            raise AssertionError(f"not accepted: {answer.status_code} {answer.text}")
    return took_s


@contextmanager
def ingest(rig: Rig) -> Generator[tuple[str, Process]]:
    """The service."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": rig.kafka.bootstrap_servers,
        "OCRSTREAM_OBJECT_ROOT": str(_FOLDER.resolve() / "service"),
    }
    service = Service("ingest", ("ocrstream-ingest",), free_port(), environment)
    process = service.start(_FOLDER / "logs")
    try:
        service.wait(process)
        yield service.url, process
    finally:
        processes.stop([process], 30)


@contextmanager
def bare_handler() -> Generator[str]:
    """A Starlette application that writes what is uploaded, served as the service is."""
    port = free_port()
    environment = {"BENCH_PORT": str(port), "BENCH_FOLDER": str(_FOLDER.resolve() / "bare")}
    process = processes.start(
        "bare",
        [sys.executable, str(Path(__file__).with_name("ingest_baseline.py"))],
        _FOLDER / "logs" / "bare.log",
        environment=environment,
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield url
    finally:
        processes.stop([process], 30)


def measure(rig: Rig, figures: Figures) -> None:
    bootstrap = rig.kafka.bootstrap_servers
    some = records(PUBLISHED)

    def run(name: str, count: int, took: Callable[[], Awaitable[float]]) -> None:
        async def timed() -> float:
            return await took()

        figures.tell(name, count / asyncio.run(timed()))

    for number in range(ROUNDS):
        say(f"round {number + 1} of {ROUNDS}")
        run("bare producer", PUBLISHED, lambda: by_bare_producer(bootstrap, some))
        run("publisher", PUBLISHED, lambda: by_service(bootstrap, some))
    with ingest(rig) as (url, process), bare_handler() as bare:
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            run("bare uploads", UPLOADS, lambda number=number: upload(bare, number))
            run("uploads", UPLOADS, lambda number=number: upload(f"{url}/v1/images", number))
        figures.values["memory, uploads"].append(memory_mib(process))
    with ingest(rig) as (url, process):
        run("few lines", WARM_LINES, lambda: stream(url, WARM_LINES))
        figures.values["memory, few lines"].append(memory_mib(process))
        run("lines", LINES, lambda: stream(url, LINES))
        run("bare producer", PUBLISHED, lambda: by_bare_producer(bootstrap, some))
        figures.values["memory, lines"].append(memory_mib(process))


def rows(figures: Figures) -> list[Row]:
    found = figures.values
    bare = found["bare producer"]
    lines = at_least(LEAST_LINES_RATIO, "references by NDJSON", "images/s", found["lines"], bare)
    least = max(LEAST_LINES_PER_S, LEAST_LINES_RATIO * (lines.baseline or 0))
    grown = found["memory, lines"][0] - found["memory, few lines"][0]
    return [
        at_least(0.6, "publisher against a bare producer", "records/s", found["publisher"], bare),
        lines,
        Row(
            f"references by NDJSON ({LINES:,})",
            round(found["lines"][0]),
            "images/s",
            target=round(least),
            met=found["lines"][0] >= least,
        ),
        limited(MOST_MEMORY_MIB, "memory after the stream", "MiB", found["memory, lines"][0]),
        limited(MOST_GROWTH_MIB, "of which after its first tenth", "MiB", grown),
        at_least(
            0.5,
            f"{UPLOADS} uploads of 1 MiB at once",
            "files/s",
            found["uploads"],
            found["bare uploads"],
        ),
        limited(MOST_MEMORY_MIB, "memory after the uploads", "MiB", found["memory, uploads"][0]),
    ]


def main() -> None:
    figures = Figures()
    shutil.rmtree(_FOLDER, ignore_errors=True)
    (_FOLDER / "logs").mkdir(parents=True)
    try:
        with Rig("ingest") as rig:
            measure(rig, figures)
    finally:
        shutil.rmtree(_FOLDER, ignore_errors=True)
    publish(
        "ingest",
        rows(figures),
        f"{PUBLISHED:,} records by the publisher, {LINES:,} lines in one request; every upload is"
        " on the disk before it is answered, by the bare handler too.",
    )


if __name__ == "__main__":
    main()
