"""Services that get a fiftieth of a core get on and fail nothing; with the core they catch up.

They start at full speed, because waiting minutes for the models to load would test nothing.
Tesseract reads the dense pages: it computes three to five seconds for one, so it is amid one when
the core comes back; RapidOCR takes longer, and memory that tests beside it need. The newspapers are
results as an engine would send them: reading one takes minutes at full speed.
"""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from typing import Any

import cv2
import httpx
import numpy as np
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from engine_pages import blank, needs_tesseract, page
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from starved import starved
from whole_system import System, eventually

from ocrstream_schemas.topics import BATCHES_COMMANDS, OCR_RESULTS, TASKS_LIFECYCLE, TOPICS
from ocrstream_worker.engines.port import RgbImage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# At a fiftieth of a core a poll of two thousand records takes half a minute.
PATIENCE_S = 150.0
SMALL, NEWSPAPERS, LINES = 2_200, 2, 12_000
NEWSPAPER_BOXES = 10_000
WORDS, DENSE = 3, 2
ENGINE_LIMIT_S = 10
WORKER = {
    # More than a dense page takes of a core, and less than it takes while it has none.
    "OCRSTREAM_IMAGE_TIMEOUT_S": f"{ENGINE_LIMIT_S}",
    "OCRSTREAM_HEARTBEAT_INTERVAL_S": "1",
    "OCRSTREAM_ENGINE_THREADS": "1",
}
INGEST = {"OCRSTREAM_DOCUMENT_TIMEOUT_S": "5"}


def result(batch_id: str, index: int, boxes: int) -> dict[str, Any]:
    """An image's outcome, as a worker tells it."""
    return {
        "type": "OcrSucceeded",
        "batch_id": batch_id,
        "index": index,
        "image_path": f"file:///{batch_id}/{index}.png",
        "chain_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{batch_id}/{index}")),
        "submitted_at": "2026-05-01T12:00:00Z",
        "provenance": {"engine": "noop", "ordered": True},
        "boxes": [
            {
                "text": f"{batch_id} {index} line {line}",
                "confidence": 0.9,
                "bbox": [[0, line], [90, line], [90, line + 1], [0, line + 1]],
            }
            for line in range(boxes)
        ],
    }


async def send_results(system: System, results: Iterable[dict[str, Any]]) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=system.kafka,
        max_request_size=TOPICS[OCR_RESULTS].max_message_bytes,
        linger_ms=20,
    ) as producer:
        sent = [
            await producer.send(
                OCR_RESULTS, json.dumps(one).encode(), key=str(one["chain_id"]).encode()
            )
            for one in results
        ]
        await asyncio.gather(*sent)


def dense_page() -> RgbImage:
    """A page of A4 at 150 dpi whose upper third is full of small lines."""
    random = np.random.default_rng(20260927)
    words = "the quick brown fox jumps over seven lazy dogs while wizards boxed eight jolly monks"
    image = blank(1754, 1240)
    for row in range(24):
        line = " ".join(random.choice(words.split(), 11))
        place = (60, 50 + 23 * row)
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.62, (0, 0, 0), 1, cv2.LINE_AA)
    return image


def encoded(image: RgbImage, kind: str) -> bytes:
    stored = BytesIO()
    Image.fromarray(np.asarray(image)).save(stored, kind)
    return stored.getvalue()


def stored(system: System, name: str, image: RgbImage) -> str:
    path = system.folder / name
    path.write_bytes(encoded(image, "PNG"))
    return path.as_uri()


def submit_lines(system: System) -> httpx.Response:
    """A stream of references, in a lane that no worker serves."""
    lines = [json.dumps({"batch_id": "lines", "options": {"lane": "gpu"}})]
    lines += [json.dumps({"image_path": f"file:///{number}.png"}) for number in range(LINES)]
    return httpx.post(
        f"{system.ingest_url}/v1/batches",
        content="\n".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=PATIENCE_S,
    )


def upload(system: System) -> httpx.Response:
    """A picture and a document of one page."""
    files = [
        ("files", (name, encoded(page(name.partition(".")[0]), kind)))
        for name, kind in (("Picture.png", "PNG"), ("Document.pdf", "PDF"))
    ]
    return httpx.post(
        f"{system.ingest_url}/v1/images",
        files=files,
        data={"batch_id": "uploads"},
        timeout=PATIENCE_S,
    )


def begin_stopped(system: System, stack: ExitStack, name: str) -> int:
    """Stop the service now, and give it its core back at the end at the latest."""
    pid = system.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    stack.callback(os.kill, pid, signal.SIGCONT)
    return pid


def starve(stack: ExitStack, pid: int) -> None:
    """Starve the service, stopped or not, until the end."""
    stack.enter_context(starved(pid))
    os.kill(pid, signal.SIGCONT)


def count(system: System, query: str) -> int:
    with psycopg.connect(system.database) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def recorder_moves(system: System) -> None:
    """Returns once a poll, a newspaper and keys for searches are written by a starved recorder."""
    for what, query in {
        "offsets": "SELECT sum(next_offset)::int FROM recorder_offsets",
        "a newspaper": "SELECT count(*) FROM chain_executions WHERE batch_id = 'newspapers'",
        "keys for searches": "SELECT count(*) FROM recorder_search",
    }.items():
        eventually(what, lambda query=query: count(system, query) or None, PATIENCE_S)


def seen_worker(system: System) -> dict[str, Any]:
    """What the worker said of itself last."""
    workers = system.get("/v1/workers")
    assert workers is not None
    return workers["items"][0]


async def worker_moves(system: System) -> None:
    """Returns once a starved worker has read an image, and has told that it is there for so long
    after it took a dense page that a limit on the clock is over.
    """
    eventually("an image", lambda: seen_worker(system)["images_done"] or None, PATIENCE_S)
    dense = [stored(system, f"dense-{number}.png", dense_page()) for number in range(DENSE)]
    await system.submit("dense", dense, DENSE)
    async with asyncio.timeout(PATIENCE_S):
        while not any(b"dense" in told for told in await system.read(TASKS_LIFECYCLE)):
            pass
    heartbeats: set[str] = set()

    def enough() -> bool | None:
        heartbeats.add(seen_worker(system)["last_seen_at"])
        return len(heartbeats) > 1.2 * ENGINE_LIMIT_S or None

    eventually("heartbeats", enough, PATIENCE_S)


def no_attempt_is_lost(system: System, batch_id: str) -> None:
    for image in system.images(batch_id):
        read = system.get("/v1/images", image_path=image["image_path"])
        assert read is not None
        assert (read["status"], read["provenance"]["attempt"]) == ("success", 1), read


def sessions_lost(system: System) -> float:
    told = httpx.get(f"{system.recording_url}/metrics", timeout=PATIENCE_S).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == "ocrstream_recorder_sessions_lost_total"
    )


def wait_ready(system: System, name: str) -> None:
    eventually(f"{name} is ready", lambda: system.troubles(name) == {} or None, PATIENCE_S)


def found(system: System, text: str) -> set[str]:
    """Paths of the images in which a text stands."""
    answer = system.get("/v1/search", q=text)
    assert answer is not None
    return {item["image_path"] for item in answer["items"]}


async def test_starved_services_get_on_and_catch_up_when_they_have_their_core(
    own_system: System,
) -> None:
    needs_tesseract("eng", "osd")
    system = own_system
    system.engine = "tesseract"
    started = {"recorder": {}, "ingest": INGEST, "worker-1": WORKER}
    for name, settings in started.items():
        system.start(name, wait=False, **settings)
    for name in started:
        system.wait(name)
    newspapers = [result("newspapers", index, NEWSPAPER_BOXES) for index in range(NEWSPAPERS)]
    small = [result("small", index, 1) for index in range(SMALL)]
    announced = [
        {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": images}
        for batch_id, images in (("newspapers", NEWSPAPERS), ("small", SMALL))
    ]
    await system.send(*((BATCHES_COMMANDS, None, one) for one in announced))
    answers: dict[str, Future[httpx.Response]] = {}
    with ThreadPoolExecutor() as clients:
        with ExitStack() as stack:
            # All of it waits when the recorder looks again: as much as a poll may have.
            pid = begin_stopped(system, stack, "recorder")
            await send_results(system, [*newspapers, *small])
            starve(stack, pid)
            for name in ("ingest", "worker-1"):
                starve(stack, system.processes[name].pid)
            answers = {one.__name__: clients.submit(one, system) for one in (submit_lines, upload)}
            words = [stored(system, f"word-{n}.png", page(f"Word{n}")) for n in range(WORDS)]
            await system.submit("words", words, WORDS)
            await worker_moves(system)
            recorder_moves(system)
            # Another member: the starved one has to let go of partitions, and to join again.
            system.start("recorder-2", wait=False)
            wait_ready(system, "recorder-2")
            eventually(
                "an answer", lambda: any(one.done() for one in answers.values()) or None, PATIENCE_S
            )
        told = {name: answer.result() for name, answer in answers.items()}
    refused = {name: one.text for name, one in told.items() if one.status_code != 202}
    assert refused == {}

    for batch_id, images in {
        "small": SMALL,
        "newspapers": NEWSPAPERS,
        "words": WORDS,
        "dense": DENSE,
        "uploads": 2,
    }.items():
        batch = system.ended(batch_id)
        counts = [batch[name] for name in ("completed_images", "seen_images", "total_images")]
        assert (batch["status"], counts) == ("SUCCESS", [images] * 3)
    system.seen("lines", LINES)
    for batch_id in ("words", "dense", "uploads"):
        no_attempt_is_lost(system, batch_id)
    assert all(b'"TaskRetried"' not in told for told in await system.read(TASKS_LIFECYCLE))
    eventually(
        "newspapers and small results are found",
        lambda: (
            (
                found(system, f"newspapers 1 line {NEWSPAPER_BOXES - 1}")
                == {newspapers[1]["image_path"]}
                and found(system, f"small {SMALL - 1} line 0") == {small[-1]["image_path"]}
            )
            or None
        ),
    )
    dead = system.get("/v1/dead-letters")
    assert dead is not None
    assert dead["items"] == []
    # A lost session halves a poll: as often as that leaves one record, and no more.
    assert sessions_lost(system) <= 11
    for name in (*started, "recorder-2"):
        wait_ready(system, name)
        assert system.processes[name].running
