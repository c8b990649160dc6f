"""Batches in which every filter of the read API finds some rows and leaves others."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    ResultWarning,
    TaskRetried,
    TaskRevoked,
    TextBox,
)
from ocrstream_schemas.ids import ocr_task_id

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ODD = "a/b?c%2Fd%/é #…"
BATCHES = ("one", "two", ODD)
REASONS = [Reason.NO_TEXT, Reason.NOT_FOUND]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def box(text: str, x: float, y: float, confidence: float = 0.9) -> TextBox:
    corners = ((x, y), (x + 10, y), (x + 10, y + 4), (x, y + 4))
    return TextBox(text=text, confidence=confidence, bbox=corners)


PAGE = (
    box("second", 50, 1),
    box("third", 0, 20, 0.4),
    box("first", 0, 0),
    box("fourth", 30, 21),
)


ORDERED = 5
"""The image of each batch whose boxes are stored in reading order, if as they stand."""
_WARNINGS: dict[int, tuple[str, ...]] = {
    1: ("low_confidence",),
    3: ("small_text", "newer_than_we"),
    ORDERED: ("low_confidence", "small_text"),
    7: ("unreadable_script",),
}


def provenance(number: int) -> Provenance | None:
    """Of the first two images of a batch by each engine, and of none of the third."""
    if number % 3 == 2 and number != ORDERED:
        return None
    return Provenance(
        engine=("rapidocr", "tesseract")[number % 2],
        versions={"ocrstream": "2"},
        width=640,
        timings_s={"recognise": 1.5},
        ordered=number == ORDERED,
        warnings=tuple(ResultWarning(code=code, detail="…") for code in _WARNINGS.get(number, ())),
    )


def submitted(batch_id: str, number: int) -> ImageSubmitted:
    return ImageSubmitted(
        image_path=f"file:///{batch_id}/{number}.png",
        chain_id=f"{batch_id}/{number}",
        batch_id=batch_id,
        index=number,
        submitted_at=at(number),
    )


def ended(batch_id: str, number: int, reason: Reason | None, worker: str) -> AnyEvent:
    told: dict[str, Any] = {
        "chain_id": f"{batch_id}/{number}",
        "image_path": f"file:///{batch_id}/{number}.png",
        "batch_id": batch_id,
        "index": number,
        "task_id": ocr_task_id(f"{batch_id}/{number}", "ocr", 1),
        "submitted_at": at(number),
        "started_at": at(number * 60),
        "finished_at": at(number * 60 + number * 1.5),
        "worker": worker,
        "attempt": 1 + number % 2,
        "provenance": provenance(number),
    }
    if reason is None:
        return OcrSucceeded(**told, boxes=PAGE)
    return OcrFailed(**told, reason=reason, error="could not be read")


def events_of(which: int) -> Iterator[AnyEvent]:
    """A batch of eleven images: 0-5 read, 6-8 failed, 9 skipped, 10 waits; two is cancelled."""
    batch_id = BATCHES[which]
    yield BatchSubmitted(
        batch_id=batch_id,
        total_images=11,
        batch_name=f"name {which % 2}",
        initiated_by=f"user {which}",
        submitted_at=at(3600 * which),
        chunk_size=3,
    )
    for number in range(11):
        yield submitted(batch_id, number)
    for number in range(9):
        reason = None if number < 6 else REASONS[number % 2]
        yield ended(batch_id, number, reason, f"worker {number % 3}")
    yield TaskRevoked(
        task_id=ocr_task_id(f"{batch_id}/9", "ocr", 1),
        task_name="ocr",
        chain_id=f"{batch_id}/9",
        batch_id=batch_id,
        index=9,
        finished_at=at(600),
    )
    yield TaskRetried(
        task_id=f"layout {batch_id}",
        task_name="layout",
        chain_id=f"{batch_id}/0",
        batch_id=batch_id,
        attempt=3,
        started_at=at(5),
    )
    if batch_id == "two":
        yield BatchRevoked(batch_id=batch_id, run=1)


def write(url: str, told: Iterable[AnyEvent], zone: DatabaseZone) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        changes = PollChanges(changes_of(event, zone.to_local) for event in told)
        write_poll(connection, changes, zone)


def fill(url: str, zone: DatabaseZone) -> None:
    """Write all batches, one after the other."""
    for which in range(len(BATCHES)):
        write(url, events_of(which), zone)
