"""Images that are read, and read again, and what asks for it."""

import time
from datetime import UTC, datetime
from typing import Any

import httpx
from psycopg import Connection
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.reprocessing import requests
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import (
    AnyEvent,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TextBox,
)
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.times import record_timestamp_ms

# Neither the server's nor UTC: what is compared must be compared as instants.
ZONE = DatabaseZone("Asia/Seoul")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def write(connection: Connection[Any], *events: AnyEvent) -> Written:
    changes = PollChanges(changes_of(event, ZONE.to_local) for event in events)
    return write_poll(connection, changes, ZONE)


def box(text: str, confidence: float) -> TextBox:
    return TextBox(text=text, confidence=confidence, bbox=((0, 0), (9.5, 0), (9.5, 4), (0, 4)))


def submitted(number: int, **told: Any) -> ImageSubmitted:
    told = {"batch_id": "b", "index": number, "submitted_at": NOON, **told}
    return ImageSubmitted(image_path=f"file:///{number}.png", chain_id=f"chain-{number}", **told)


def read(number: int, *confidences: float, text: str = "old", **told: Any) -> OcrSucceeded:
    told = {
        "image_path": f"file:///{number}.png",
        "chain_id": f"chain-{number}",
        "task_id": f"task-{number}-{told.get('run', 1)}",
        "batch_id": "b",
        "index": number,
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "boxes": tuple(box(text, confidence) for confidence in confidences),
        **told,
    }
    return OcrSucceeded(**told)


def failed(number: int, **told: Any) -> OcrFailed:
    boxless: dict[str, Any] = {
        name: value
        for name in (*ImageSubmitted.__struct_fields__, "task_id", "started_at", "finished_at")
        if (value := getattr(read(number, **told), name, None)) is not None
    }
    return OcrFailed(**boxless, reason=Reason.NOT_FOUND, error="it is gone")


def submit_all(connection: Connection[Any], limit: int = 1000) -> list[int]:
    """Carry out all reprocessings that were asked for; how many images each part submitted."""
    parts: list[int] = []
    while True:
        with connection.transaction(), connection.cursor() as cursor:
            part = requests.submit_part(cursor, limit, ZONE)
        if part is None:
            return parts
        assert part.looked_at <= limit
        parts.append(part.submitted)


def sent(connection: Connection[Any]) -> list[tuple[str, ImageSubmitted]]:
    """What went to the lanes, and is now gone from the outbox, as consumers get it."""
    rows = connection.execute(
        "DELETE FROM recorder_outbox WHERE topic LIKE 'images%' RETURNING id, topic, key, value"
    ).fetchall()
    events: list[tuple[str, ImageSubmitted]] = []
    for _, topic, key, value in sorted(rows):
        timestamp_ms = record_timestamp_ms(value, int(time.time() * 1000))
        event = decode(topic, value, RecordRef(topic, 0, 0, timestamp_ms))
        assert isinstance(event, ImageSubmitted)
        assert event.chain_id == key
        events.append((topic, event))
    return events


def result_of(event: ImageSubmitted, *confidences: float, text: str = "new") -> OcrSucceeded:
    context = {
        name: getattr(event, name)
        for name in OcrSucceeded.__struct_fields__
        if name in ImageSubmitted.__struct_fields__
    }
    boxes = tuple(box(text, confidence) for confidence in confidences)
    moment = event.submitted_at
    return OcrSucceeded(
        **context,
        task_id=f"{event.chain_id}-{event.run}",
        boxes=boxes,
        started_at=moment,
        finished_at=moment,
    )


async def ask(api: httpx.AsyncClient, expected_status: int = 202, /, **asked: Any) -> Any:
    answer = await api.post("/v1/reprocessings", json=asked)
    assert answer.status_code == expected_status, answer.text
    return answer.json()


async def count(api: httpx.AsyncClient, **asked: Any) -> tuple[int, int]:
    answer = await api.post("/v1/reprocessings/count", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["images"], answer.json()["boxes"]


def texts(version: Any) -> list[str] | None:
    return None if version is None else [one["text"] for one in version["text_boxes"]]
