"""How fast the recorder writes: `make bench-recorder`.

The real recorder, one process, reads submissions and results of images with 30 text boxes from a
real Kafka into a real PostgreSQL with fsync on. Two baselines write the same rows in the same run,
interleaved: COPY of lines that are ready (no Kafka, no decoding, no idempotency, which is what the
server can do), and the way that Celery tasks do it, an ORM commit and refresh per row.
"""

import asyncio
import shutil
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from report import Row, compared, publish
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from ocrstream_local import processes
from ocrstream_local.kafka import KafkaServer
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import Process, free_port
from ocrstream_local.services import Service
from ocrstream_recorder.store.migrate import migrate, sqlalchemy_url
from ocrstream_recorder.store.tables import (
    BatchExecution,
    ChainExecution,
    OcrExecution,
    OcrTextBox,
    TaskLog,
)
from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.topics import ensure_topics
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, ImageSubmitted, OcrSucceeded, TextBox
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED, OCR_RESULTS

IMAGES = 10_000
BOXES = 30
ROUNDS = 3
ORM_IMAGES = 40
COPY_IMAGES = 1_000
RECORDS = 2 * IMAGES + 1
TIMEOUT_S = 180.0

LOCAL = Path(".local")
BATCH_ID = "bench"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
# Rows as they are read from a finished database and written again, ids and all; in an order in
# which a row comes with, or after, the one that it refers to.
TABLES: dict[str, LiteralString] = {
    "chain_executions": "id",
    "task_logs": "chain_execution_id",
    "ocr_executions": "id",
    "ocr_text_boxes": "ocr_execution_id, id",
}


@dataclass
class Figures:
    """Images per second, a value a round."""

    recorder: list[float] = field(default_factory=list[float])
    replay: list[float] = field(default_factory=list[float])
    copy: list[float] = field(default_factory=list[float])
    orm: list[float] = field(default_factory=list[float])
    commit_ms: list[float] = field(default_factory=list[float])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def produce(bootstrap: str) -> None:
    """One batch: its announcement, submissions and results, as ingest and workers send them."""
    settings = ServiceSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    producer = create_producer(settings, "bench")
    boxes = tuple(
        TextBox(
            text=f"a line of text, number {number}",
            confidence=0.987,
            bbox=((10.5, 20.0), (410.0, 20.5), (410.0, 44.0), (10.0, 44.5)),
        )
        for number in range(BOXES)
    )
    async with producer:
        announcement = BatchSubmitted(batch_id=BATCH_ID, total_images=IMAGES, submitted_at=NOON)
        await producer.send_and_wait(BATCHES_COMMANDS, encode(announcement), key=b"bench")
        for index in range(IMAGES):
            told: dict[str, Any] = {
                "image_path": f"file:///bench/{index:07}.png",
                "chain_id": f"bench-{index:07}",
                "batch_id": BATCH_ID,
                "index": index,
                "submitted_at": NOON,
                "source_name": f"{index:07}.png",
            }
            key = told["chain_id"].encode()
            await producer.send(IMAGES_SUBMITTED, encode(ImageSubmitted(**told)), key=key)
            result = OcrSucceeded(
                **told,
                started_at=NOON,
                finished_at=NOON + timedelta(seconds=1),
                worker="bench",
                boxes=boxes,
            )
            await producer.send(OCR_RESULTS, encode(result), key=key)


class Bench:
    """Servers and databases of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._databases = 0
        cache = LOCAL / "cache"
        self.kafka = KafkaServer(
            folder / "kafka", cache, folder / "kafka.log", free_port(), free_port()
        )
        self.postgres = PostgresServer(
            folder / "postgres", cache, folder / "postgres.log", free_port()
        )
        self.processes: list[Process] = []

    def start(self) -> None:
        for server in (self.kafka, self.postgres):
            process = server.start(say)
            self.processes.append(process)
            server.wait(process)
        migrate(self.postgres.url)
        asyncio.run(ensure_topics(self.kafka.bootstrap_servers))

    def stop(self) -> None:
        processes.stop(self.processes, 30)
        shutil.rmtree(self.postgres.data, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self) -> str:
        """URL of a fresh, migrated database."""
        self._databases += 1
        name = f"bench_{self._databases}"
        server, _, template = self.postgres.url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute("CHECKPOINT")
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return f"{server}/{name}"

    def record(self, url: str, group: str) -> float:
        """Seconds that a new recorder takes from knowing where to begin until all is written."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "DATABASE_URL": url,
            "OCRSTREAM_GROUP_ID": group,
        }
        service = Service(f"recorder-{group}", "ocrstream-recorder", free_port(), environment)
        process = service.start(self._folder)
        began: float | None = None
        deadline = time.monotonic() + TIMEOUT_S
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while True:
                    row = connection.execute(
                        "SELECT count(*), coalesce(sum(next_offset), 0) FROM recorder_offsets"
                    ).fetchone()
                    assert row is not None
                    now = time.monotonic()
                    if began is None and row[0]:
                        began = now
                    if began is not None and row[1] == RECORDS:
                        return now - began
                    if now > deadline:
                        raise TimeoutError(f"{row[1]} of {RECORDS} records in {TIMEOUT_S:g} s")
                    time.sleep(0.01)
        finally:
            processes.stop([process], 30)


def rows_of(url: str) -> dict[str, list[bytes]]:
    """The lines of every table."""
    lines: dict[str, list[bytes]] = {}
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, order in TABLES.items():
            query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(
                sql.Identifier(table), sql.SQL(order)
            )
            with cursor.copy(query) as copy:
                lines[table] = [bytes(line) for line in copy]
    return lines


def copy_lines(url: str, lines: dict[str, list[bytes]]) -> float:
    """Seconds to COPY ready lines, as many images a transaction as a poll has."""
    images = len(lines["ocr_executions"])
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO batch_executions (batch_id) VALUES (%s)", (BATCH_ID,))
        connection.commit()
        began = time.monotonic()
        for start in range(0, images, COPY_IMAGES):
            for table in TABLES:
                each = len(lines[table]) // images
                part = lines[table][start * each : (start + COPY_IMAGES) * each]
                query = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                with cursor.copy(query) as copy:
                    copy.write(b"".join(part))
            connection.commit()
        return time.monotonic() - began


def write_by_orm(url: str) -> tuple[float, float]:
    """Seconds for some images row by row, each committed and refreshed; and a commit's, in ms."""
    commits: list[float] = []
    engine = create_engine(sqlalchemy_url(url))
    with Session(engine) as session:

        def save(row: Any) -> Any:
            session.add(row)
            began = time.monotonic()
            session.commit()
            commits.append(time.monotonic() - began)
            session.refresh(row)
            return row

        save(BatchExecution(batch_id="orm", total_images=ORM_IMAGES))
        began = time.monotonic()
        for index in range(ORM_IMAGES):
            chain = save(ChainExecution(chain_id=f"orm-{index}", batch_id="orm", total_tasks=1))
            save(TaskLog(task_id=f"orm-{index}", status="SUCCESS", chain_execution_id=chain.id))
            image = save(OcrExecution(image_path=f"file:///orm/{index}", status="success"))
            for number in range(BOXES):
                box = [[10.5, 20.0], [410.0, 20.5], [410.0, 44.0], [10.0, 44.5]]
                text = f"a line of text, number {number}"
                save(OcrTextBox(ocr_execution_id=image.id, text=text, confidence=0.987, bbox=box))
        took = time.monotonic() - began
    engine.dispose()
    return took, 1000 * sorted(commits)[len(commits) // 2]


def check(url: str) -> None:
    """Nothing that is fast but wrong is to be reported."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT status, completed_images, (SELECT count(*) FROM ocr_text_boxes)"
            " FROM batch_executions WHERE batch_id = %s",
            (BATCH_ID,),
        ).fetchone()
    if row != ("SUCCESS", IMAGES, IMAGES * BOXES):
        raise AssertionError(f"the recorder wrote something else: {row}")


def measure(bench: Bench) -> Figures:
    figures = Figures()
    lines: dict[str, list[bytes]] | None = None
    for number in range(1, ROUNDS + 1):
        url = bench.database()
        figures.recorder.append(IMAGES / bench.record(url, f"first-{number}"))
        check(url)
        lines = lines or rows_of(url)
        figures.copy.append(IMAGES / copy_lines(bench.database(), lines))
        took, commit_ms = write_by_orm(bench.database())
        figures.orm.append(ORM_IMAGES / took)
        figures.commit_ms.append(commit_ms)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DELETE FROM recorder_offsets")
        figures.replay.append(IMAGES / bench.record(url, f"replay-{number}"))
        check(url)
        say(
            f"round {number}: recorder {figures.recorder[-1]:.0f}, COPY {figures.copy[-1]:.0f},"
            f" ORM {figures.orm[-1]:.1f}, replay {figures.replay[-1]:.0f} images/s"
        )
    return figures


def main() -> None:
    bench = Bench(LOCAL / "bench")
    try:
        bench.start()
        say(f"Producing {IMAGES:,} images with {BOXES} boxes each")
        asyncio.run(produce(bench.kafka.bootstrap_servers))
        figures = measure(bench)
    finally:
        bench.stop()
    recorder, unit = figures.recorder, "images/s"
    rows: list[Row] = [
        compared("recorder, against an ORM commit per row", unit, recorder, figures.orm, 100),
        compared("recorder, against COPY of ready lines", unit, recorder, figures.copy, 0.6),
        compared("replay, against the first pass", unit, figures.replay, recorder, 3),
    ]
    commit_ms = sorted(figures.commit_ms)[len(figures.commit_ms) // 2]
    publish(
        "recorder",
        rows,
        f"Medians of {ROUNDS} interleaved rounds, one recorder, fsync on; {IMAGES:,} images with"
        f" {BOXES} boxes each, submissions and results read from Kafka.",
        f"A commit of the ORM baseline took {commit_ms:.2f} ms (median).",
    )


if __name__ == "__main__":
    main()
