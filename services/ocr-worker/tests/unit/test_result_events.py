"""Every event repeats the image's context, so that it is enough by itself."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import (
    NO_TEXT_ERROR,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TextBox,
)
from ocrstream_schemas.ids import RecordRef, ocr_task_id
from ocrstream_schemas.topics import OCR_RESULTS, TASKS_LIFECYCLE
from ocrstream_worker.engines.port import Recognition
from ocrstream_worker.result_events import ImageAttempt, OutgoingEvent

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=2)
IMAGE = ImageSubmitted(
    image_path="file:///a.png",
    chain_id="chain",
    batch_id="batch",
    index=7,
    public_path="https://example.org/a.png",
    chain_name="batch_image_7",
    total_tasks=3,
    run=2,
    submitted_at=BEGAN - timedelta(minutes=1),
    initiated_by="someone",
    source_name="a (1).png",
    page=4,
    options={"reuse": True, "nested": {"a": [1]}},
    batch_total=9,
)
ATTEMPT = ImageAttempt(IMAGE, 3, BEGAN, "worker-1")
BOX = TextBox(text="Total", confidence=0.5, bbox=((0, 0), (4, 0), (4, 2), (0, 2)))
PROVENANCE = Provenance(engine="noop", width=4, height=2)
# What only the submission itself says.
NOT_REPEATED = {"type", "batch_total"}

MESSAGES = {
    "started": ATTEMPT.started_event(),
    "retried": ATTEMPT.retried_event(Reason.ENGINE, "it died", 2.0),
    "revoked": ATTEMPT.revoked_event(ENDED),
    "failed": ATTEMPT.failed_event(Reason.NOT_FOUND, "gone", ENDED),
    "succeeded": ATTEMPT.recognized_event(Recognition(boxes=(BOX,), provenance=PROVENANCE), ENDED),
    "blank": ATTEMPT.recognized_event(Recognition(boxes=(), provenance=PROVENANCE), ENDED),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())
def test_readers_get_the_event_and_the_whole_context(message: OutgoingEvent) -> None:
    event = decode(message.topic, message.value, RecordRef(message.topic, 0, 0, 1_780_000_000_000))
    assert event == message.event or getattr(message.event, "task_id", "") is None
    submitted, said = msgspec.to_builtins(IMAGE), msgspec.to_builtins(event)
    for field in submitted.keys() - NOT_REPEATED:
        assert said[field] == submitted[field], field
    assert (said["attempt"], said["worker"]) == (3, "worker-1")
    assert said["task_id"] == ocr_task_id("chain", "ocr", 2)


def test_each_event_goes_to_its_topic_and_says_what_happened() -> None:
    started, retried, revoked, failed, succeeded, blank = (
        message.event for message in MESSAGES.values()
    )
    assert isinstance(started, TaskStarted)
    assert started.started_at == BEGAN
    assert isinstance(retried, TaskRetried)
    assert (retried.reason, retried.error, retried.backoff_s) == (Reason.ENGINE, "it died", 2.0)
    assert isinstance(revoked, TaskRevoked)
    assert revoked.finished_at == ENDED
    assert isinstance(failed, OcrFailed)
    assert (failed.reason, failed.error) == (Reason.NOT_FOUND, "gone")
    assert (failed.started_at, failed.finished_at) == (BEGAN, ENDED)
    assert isinstance(succeeded, OcrSucceeded)
    assert (succeeded.boxes, succeeded.provenance) == ((BOX,), PROVENANCE)
    assert (succeeded.started_at, succeeded.finished_at) == (BEGAN, ENDED)
    assert isinstance(blank, OcrFailed)
    assert (blank.reason, blank.error) == (Reason.NO_TEXT, NO_TEXT_ERROR)
    assert blank.provenance == PROVENANCE
    topics = [message.topic for message in MESSAGES.values()]
    assert topics == [TASKS_LIFECYCLE] * 3 + [OCR_RESULTS] * 3
