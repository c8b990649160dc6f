"""Pages on their way through Kafka and real workers."""

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from accuracy_pages import FOLDER, PageFile
from accuracy_readers import Reading, worker_version
from fleet import Batch, cpu_s
from report import say
from rig import Rig

from ocrstream_local.processes import Process
from ocrstream_schemas.events import OcrSucceeded, Reason, TextBox
from ocrstream_worker.engines.port import EngineName

_WORKERS = 2


class Pipeline:
    """Two workers of one engine thread each, with the default settings otherwise."""

    turns = True
    words = True
    needs_places = False

    def __init__(self, rig: Rig, workers: Sequence[Process]) -> None:
        self._rig = rig
        self._workers = workers

    @property
    def version(self) -> str:
        """What its readings depend on."""
        return f"pipeline {worker_version()}"

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """In one batch. What a page takes of one worker, and of the processor, is a mean."""
        began_s, before_s = time.monotonic(), cpu_s(self._workers)
        read = asyncio.run(self._submit(files, None))
        busy = min(_WORKERS, len(files))
        seconds = (time.monotonic() - began_s) * busy / len(files)
        cpu_seconds = (cpu_s(self._workers) - before_s) / len(files)
        by_words = files[:word_files]
        words = asyncio.run(self._submit(by_words, {"boxes": "word"})) if by_words else []
        for number, boxes in enumerate(read):
            yield Reading(
                boxes=boxes,
                words=words[number] if number < len(words) else None,
                seconds=seconds,
                cpu_seconds=cpu_seconds,
            )

    async def _submit(
        self, files: Sequence[PageFile], options: Mapping[str, Any] | None
    ) -> list[tuple[TextBox, ...]]:
        paths = [file.path for file in files]
        async with Batch(self._rig.kafka.bootstrap_servers, paths, options=options) as batch:
            await batch.submit()
            async for _ in batch.progress():
                pass
        found: list[tuple[TextBox, ...]] = []
        for number, file in enumerate(files):
            outcome = batch.outcomes[number][0]
            if isinstance(outcome, OcrSucceeded):
                found.append(outcome.boxes)
                continue
            # It would be kept as what the page says.
            if outcome.reason is not Reason.NO_TEXT:
                raise SystemExit(f"{file.name}: {outcome.reason}: {outcome.error}")
            say(f"  {file.name}: no text")
            found.append(())
        return found


@contextmanager
def pipeline(engine: EngineName, roots: Sequence[str]) -> Generator[Pipeline]:
    """Kafka and warm workers with this engine, which may read what lies in these folders."""
    settings = {
        "OCRSTREAM_ENGINE": engine,
        "OCRSTREAM_ENGINE_THREADS": "1",
        "OCRSTREAM_IMAGE_ROOTS": ":".join([str(FOLDER.resolve()), *roots]),
    }
    with (
        Rig(f"accuracy-{engine}") as rig,
        rig.workers(f"accuracy-{engine}", _WORKERS, settings) as workers,
    ):
        yield Pipeline(rig, workers)
