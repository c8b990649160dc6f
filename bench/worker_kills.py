"""Workers that are killed in the middle of a batch, and what their images come to."""

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
from fleet import Batch, metric
from report import say
from rig import Rig

from ocrstream_local import processes
from ocrstream_local.processes import Process
from ocrstream_schemas.events import OcrSucceeded

_BOXES = 3
_RECORDED_WITHIN_S = 60.0
_IMAGE_COUNT = 500
# The recorder's rows of images that have had their one effect.
_RIGHT_ROWS = """
SELECT count(*) FROM chain_executions AS chain
 WHERE chain.batch_id = %(batch)s AND chain.status = 'SUCCESS' AND chain.completed_tasks = 1
   AND (SELECT count(*) FROM task_logs AS task WHERE task.chain_execution_id = chain.id) = 1
   AND (SELECT count(*) FROM ocr_text_boxes AS box
          JOIN ocr_executions AS image ON image.id = box.ocr_execution_id
         WHERE image.chain_id = chain.chain_id) = %(boxes)s
"""


class Kills(NamedTuple):
    """`wrong` images have no outcome, different ones, or are not written as one.

    `in_vain`: how many the engine read a second time, or was reading when it was killed.
    `in_flight`: how many the killed workers said that they had in work.
    """

    kills: int
    images: int
    wrong: int
    in_vain: int
    in_flight: int


def kill_and_count(
    rig: Rig, group: str, roots: Mapping[str, str], folder: Path, kills: int
) -> Kills:
    """Kill one of two workers, the one that has been there longer, again and again.

    `group` has read all that was submitted before: another would begin with that.
    """
    settings = {
        **roots,
        "OCRSTREAM_ENGINE": "noop",
        "OCRSTREAM_NOOP_BOXES": str(_BOXES),
        "OCRSTREAM_NOOP_IMAGE_S": "0.1",
        # The shortest that brokers allow by default: others wait so long for what is killed.
        "OCRSTREAM_SESSION_TIMEOUT_S": "6",
    }
    files = _copies(folder)
    with rig.database() as url, rig.recorders(url, "recorder-kills"):
        with rig.workers(group, 2, settings) as workers:
            start = partial(rig.start_worker, group, settings)
            bootstrap = rig.kafka.bootstrap_servers
            batch, in_flight = asyncio.run(_read(bootstrap, files, workers, start, kills))
        right = _right_rows(url, batch.batch_id)
    same = sum(
        isinstance(found[0], OcrSucceeded)
        and all(isinstance(one, OcrSucceeded) and one.boxes == found[0].boxes for one in found)
        for found in batch.outcomes.values()
    )
    twice = sum(len(found) - 1 for found in batch.outcomes.values())
    return Kills(kills, len(files), len(files) - min(right, same), twice + kills, in_flight)


async def _read(
    bootstrap: str,
    files: list[Path],
    workers: list[Process],
    start: Callable[[], Process],
    kills: int,
) -> tuple[Batch, int]:
    in_flight = killed = 0
    async with Batch(bootstrap, files) as batch:
        await batch.submit()
        async for done in batch.progress():
            # All kills fall into the batch, and each on a worker that has read some of it.
            due = killed < kills and done >= (killed + 1) * len(files) / (kills + 2)
            if due and _has_read(workers[0], batch):
                in_flight += int(metric(workers[0], "ocrstream_worker_images_in_flight"))
                processes.kill(workers.pop(0))
                killed += 1
                workers.append(start())
                say(f"  kill {killed} after {done} images")
    assert killed == kills, f"the batch was over after {killed} kills"
    return batch, in_flight


def _has_read(worker: Process, batch: Batch) -> bool:
    ours = f"-{worker.pid}"
    return any(
        one.worker and one.worker.endswith(ours)
        for found in batch.outcomes.values()
        for one in found
    )


def _copies(folder: Path) -> list[Path]:
    """Images of different paths, so that each has a row of its own."""
    original = next(folder.glob("crop-*"))
    return [
        Path(shutil.copy(original, folder / f"image-{number}.jpg"))
        for number in range(_IMAGE_COUNT)
    ]


def _right_rows(url: str, batch_id: str) -> int:
    deadline = time.monotonic() + _RECORDED_WITHIN_S
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(_RIGHT_ROWS, {"batch": batch_id, "boxes": _BOXES}).fetchone()
            assert row is not None
            if row[0] == _IMAGE_COUNT or time.monotonic() > deadline:
                return row[0]
            time.sleep(0.2)
