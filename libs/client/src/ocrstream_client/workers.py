"""`ocrstream workers`: lists the OCR workers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.models import Worker
from ocrstream_client.tables import Column, Kind, print_table
from ocrstream_client.terminal import SOME_FAILED, notes, print_json

_COLUMNS = (
    Column("worker", Kind.NAME),
    Column("state"),
    Column("engine", Kind.NAME),
    Column("device", Kind.NAME),
    Column("lanes", Kind.NAME),
    *(
        Column(heading, Kind.NUMBER)
        for heading in ("in flight", "done", "images/s", "up", "last seen")
    ),
)

NONE_ALIVE = "no worker is alive, so no image is read; start one: make up, or ocrstream-worker"


def workers(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """List the workers: whether they are alive, their engine, and their rate.

    A worker that misses three heartbeats is not alive; after ten minutes it disappears.

    Exit codes: 0 at least one is alive, 1 none is, 3 the recorder does not answer.

    For example, images per second of all workers: ocrstream workers --json | jq -s
    'map(.images_per_s) | add'
    """
    with Client() as client:
        found = client.workers()
    if as_json:
        for worker in found:
            print_json(asdict(worker))
    elif found:
        print_table(_COLUMNS, _rows(found))
    if not any(worker.alive for worker in found):
        notes.print(NONE_ALIVE, soft_wrap=True)
        raise typer.Exit(SOME_FAILED)


def _rows(found: Sequence[Worker]) -> Iterator[list[str]]:
    now = datetime.now(UTC)
    for worker in found:
        version = worker.versions.get(worker.engine, "")
        last_seen = datetime.fromisoformat(worker.last_seen_at)
        yield [
            worker.worker,
            worker.state,
            f"{worker.engine} {version}".rstrip(),
            worker.device,
            ",".join(worker.lanes),
            f"{worker.images_in_flight:,}",
            f"{worker.images_done:,}",
            f"{worker.images_per_s:.1f}",
            _duration((last_seen - datetime.fromisoformat(worker.started_at)).total_seconds()),
            f"{_duration((now - last_seen).total_seconds())} ago",
        ]


def _duration(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
