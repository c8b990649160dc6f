"""How fast the recorder writes: `make bench-recorder`.

The real recorder reads submissions and results of images with 30 text boxes from a real Kafka into
a real PostgreSQL with fsync on. Everything that is compared is measured in the same run,
interleaved. An image counts with all its events; the clock starts when the recorders are members of
their group, warm, and are let begin.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict

import psycopg
from recorder_baselines import Lines, OrmFigures, copy_lines, rows_of, write_by_orm
from recorder_load import BATCH_ID, BOXES, boxes, fill, produce, records_of, result
from report import Row, at_least, at_most, limited, plain, publish, say
from rig import Rig, memory_mib, until_written

from ocrstream_recorder.search.index import LOCK_KEY
from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.topics import OCR_RESULTS

IMAGES = 34_000
FEW_IMAGES = 3_400
OLD_IMAGES = 334_000
ROUNDS = 3
REPLICAS = 4
SINGLE_EVENTS = 400
SINGLE_EVENTS_PER_S = 25
TIMEOUT_S = 400.0

_TABLES = ("batch_executions", "chain_executions", "task_logs", "ocr_executions", "ocr_text_boxes")


class Figures:
    """What was measured, a value a round."""

    def __init__(self) -> None:
        self.speeds: defaultdict[str, list[float]] = defaultdict(list)
        self.orm: list[OrmFigures] = []
        self.memory_mib: defaultdict[int, list[float]] = defaultdict(list)
        self.latencies_ms: list[float] = []

    def tell(self, name: str, images_per_s: float) -> None:
        self.speeds[name].append(images_per_s)
        say(f"  {name}: {images_per_s:,.1f} images/s")


def check(url: str) -> None:
    """Nothing that is fast but wrong is to be reported."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT b.status, b.completed_images, b.seen_images, b.completed_chunks,"
            " (SELECT count(*) FROM chain_executions c"
            "  WHERE c.batch_id = b.batch_id AND c.status = 'SUCCESS'),"
            " (SELECT count(*) FROM ocr_text_boxes x JOIN ocr_executions o"
            "  ON o.id = x.ocr_execution_id WHERE o.image_path LIKE 'file:///bench/%%')"
            " FROM batch_executions b WHERE b.batch_id = %s",
            (BATCH_ID,),
        ).fetchone()
    if row != ("SUCCESS", IMAGES, IMAGES, -(-IMAGES // 10), IMAGES, IMAGES * BOXES):
        raise AssertionError(f"the recorder wrote something else: {row}")


def versions(url: str) -> list[tuple[int, int]]:
    """Of each table how many rows there are, and a sum that changes if one is written anew."""
    found: list[tuple[int, int]] = []
    with psycopg.connect(url) as connection:
        for table in _TABLES:
            row = connection.execute(
                f"SELECT count(*), sum(hashtext(ctid::text || xmin::text)) FROM {table}"
            ).fetchone()
            assert row is not None
            found.append((row[0], row[1]))
    return found


def first_pass(rig: Rig, figures: Figures, url: str, group: str) -> None:
    with rig.recorders(url, group) as (recorder,):
        few_s = until_written(url, FEW_IMAGES, TIMEOUT_S, OCR_RESULTS)
        figures.memory_mib[FEW_IMAGES].append(memory_mib(recorder))
        rest_s = until_written(url, records_of(IMAGES), TIMEOUT_S)
        figures.memory_mib[IMAGES].append(memory_mib(recorder))
    check(url)
    figures.tell("recorder", IMAGES / (few_s + rest_s))


def replay(rig: Rig, figures: Figures, url: str, group: str) -> None:
    before = versions(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM recorder_offsets")
        connection.execute("CHECKPOINT")
    with rig.recorders(url, group):
        figures.tell("replay", IMAGES / until_written(url, records_of(IMAGES), TIMEOUT_S))
    if versions(url) != before:
        raise AssertionError("the replay wrote rows")


def without_indexing(rig: Rig, figures: Figures, group: str) -> None:
    """As the first pass, but nobody indexes for searches behind it."""
    with rig.database() as url:
        with psycopg.connect(url) as holder:
            # As if another replica did it all the time.
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
            with rig.recorders(url, group):
                took_s = until_written(url, records_of(IMAGES), TIMEOUT_S)
            indexed = holder.execute("SELECT count(*) FROM recorder_search").fetchone()
        if indexed != (0,):
            raise AssertionError(f"{indexed} images were indexed nevertheless")
        check(url)
    figures.tell("recorder, nothing indexed", IMAGES / took_s)


def replicas(rig: Rig, figures: Figures, group: str) -> None:
    with rig.database() as url:
        with rig.recorders(url, group, REPLICAS):
            took_s = until_written(url, records_of(IMAGES), TIMEOUT_S)
        check(url)
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        if row != (0,):
            raise AssertionError(f"deadlocks: {row}")
    figures.tell(f"{REPLICAS} replicas", IMAGES / took_s)


def filled(rig: Rig, figures: Figures, full: str, group: str) -> None:
    with rig.database(full) as url:
        with rig.recorders(url, group):
            took_s = until_written(url, records_of(IMAGES), TIMEOUT_S)
        check(url)
    figures.tell("recorder, filled database", IMAGES / took_s)


def one_round(rig: Rig, figures: Figures, full: str, number: int, lines: Lines | None) -> Lines:
    say(f"Round {number} of {ROUNDS}")
    with rig.database() as url:
        first_pass(rig, figures, url, f"first-{number}")
        lines = lines or rows_of(url)
        replay(rig, figures, url, f"replay-{number}")
    with rig.database() as url:
        figures.tell("COPY", IMAGES / copy_lines(url, lines))
    with rig.database() as url:
        figures.orm.append(write_by_orm(url))
        figures.tell("ORM", figures.orm[-1].images_per_s)
    without_indexing(rig, figures, f"unindexed-{number}")
    replicas(rig, figures, f"replicas-{number}")
    filled(rig, figures, full, f"filled-{number}")
    return lines


async def single_events(bootstrap: str, url: str) -> list[float]:
    """Milliseconds from sending one result to seeing its row, at low load."""
    settings = ServiceSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    found, latencies = boxes(), list[float]()
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with create_producer(settings, "bench-single") as producer, connection:
        for number in range(SINGLE_EVENTS):
            began = time.monotonic()
            event = result(f"single-{number}", found)
            await producer.send(OCR_RESULTS, encode(event), key=event.chain_id.encode())
            while True:
                row = await connection.execute(
                    "SELECT FROM ocr_executions WHERE image_path = %s", (event.image_path,)
                )
                if row.rowcount:
                    break
            latencies.append(1000 * (time.monotonic() - began))
            await asyncio.sleep(max(0.0, 1 / SINGLE_EVENTS_PER_S - latencies[-1] / 1000))
    return latencies


def latency(rig: Rig, figures: Figures) -> None:
    """After everything else: its events come on top of the load in the topics."""
    with rig.database() as url, rig.recorders(url, "latency"):
        until_written(url, records_of(IMAGES), TIMEOUT_S)
        figures.latencies_ms = asyncio.run(single_events(rig.kafka.bootstrap_servers, url))


def rows(figures: Figures) -> list[Row]:
    recorder, unit = figures.speeds["recorder"], "images/s"
    measured = [
        at_least(
            100, "recorder, against an ORM commit per row", unit, recorder, figures.speeds["ORM"]
        ),
    ]
    for commit_ms in (1, 5):
        at_commit = [orm.images_per_s_at(commit_ms) for orm in figures.orm]
        measured.append(
            plain(f"the same, if a commit took {commit_ms} ms", unit, recorder, at_commit)
        )
    few, many = figures.memory_mib[FEW_IMAGES], figures.memory_mib[IMAGES]
    cuts = statistics.quantiles(figures.latencies_ms, n=100)
    speeds = figures.speeds
    return [
        *measured,
        at_least(0.6, "recorder, against COPY of ready lines", unit, recorder, speeds["COPY"]),
        at_least(
            0.95,
            "recorder, indexing for searches behind it, against without",
            unit,
            recorder,
            speeds["recorder, nothing indexed"],
        ),
        at_least(
            0.9,
            f"{REPLICAS} replicas on one batch, against one",
            unit,
            speeds[f"{REPLICAS} replicas"],
            recorder,
        ),
        at_least(3, "replay, against the first pass", unit, speeds["replay"], recorder),
        at_least(
            0.8,
            f"with {OLD_IMAGES * BOXES / 1e6:.0f} M boxes there, against empty",
            unit,
            speeds["recorder, filled database"],
            recorder,
        ),
        at_most(
            1.1,
            f"peak memory at {IMAGES * BOXES:,} boxes, against {FEW_IMAGES * BOXES:,}",
            "MiB",
            many,
            few,
        ),
        limited(30, "one event to committed row at low load, p50", "ms", cuts[49]),
        limited(150, "one event to committed row at low load, p99", "ms", cuts[98]),
    ]


def main() -> None:
    argparse.ArgumentParser(description="Measure how fast the recorder writes.").parse_args()
    figures = Figures()
    with Rig("recorder") as rig, rig.database() as full:
        say(f"Producing {IMAGES:,} images with {BOXES} boxes each")
        asyncio.run(produce(rig.kafka.bootstrap_servers, IMAGES))
        say(f"Filling a database with {OLD_IMAGES:,} images")
        fill(full, OLD_IMAGES)
        lines: Lines | None = None
        for number in range(1, ROUNDS + 1):
            lines = one_round(rig, figures, full, number, lines)
        latency(rig, figures)
    commit_ms = statistics.median(orm.commit_ms for orm in figures.orm)
    publish(
        "recorder",
        rows(figures),
        f"Medians of {ROUNDS} interleaved rounds, one recorder unless said, fsync on; {IMAGES:,}"
        f" images with {BOXES} boxes each, submissions and results read from Kafka.",
        f"A commit of the ORM baseline took {commit_ms:.2f} ms (median).",
    )


if __name__ == "__main__":
    main()
