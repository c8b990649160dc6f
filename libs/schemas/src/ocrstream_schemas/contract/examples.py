"""Golden examples: at least one message of every event, and derived ids."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import (
    BatchCompleted,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    Refusal,
    ResultWarning,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TextBox,
    WarningCode,
    WorkerSeen,
)
from ocrstream_schemas.ids import RecordRef, derive_chain_id, ocr_task_id
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    BATCHES_COMPLETED,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
    WORKERS_HEARTBEATS,
    lane_topic,
)

RECORD = RecordRef(IMAGES_SUBMITTED, partition=3, offset=41, timestamp_ms=1_767_225_600_000)
"""The record of the examples whose ids and times a reader derives."""

_BATCH = "scans-2026-01"
_PATH = "file:///data/scans/0001.png"
_CHAIN = derive_chain_id(_BATCH, 0, _PATH, RECORD, b"")
_TASK = ocr_task_id(_CHAIN, "ocr", 1)
_SUBMITTED = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
_STARTED = datetime(2026, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC)
_FINISHED = datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC)

_IMAGE: dict[str, Any] = {
    "chain_id": _CHAIN,
    "batch_id": _BATCH,
    "index": 0,
    "image_path": _PATH,
    "chain_name": "batch_image_0",
    "initiated_by": "batch_ocr",
    "source_name": "0001.png",
    "submitted_at": _SUBMITTED,
}
_OCR: dict[str, Any] = {**_IMAGE, "task_id": _TASK, "worker": "worker-1"}
_WORKER: dict[str, Any] = {
    "worker": "worker-1",
    "host": "ocr-7",
    "engine": "rapidocr",
    "versions": {"rapidocr": "3.10.0"},
    "device": "cpu",
    "lanes": ("urgent", "default"),
    "started_at": _SUBMITTED,
    "interval_s": 5.0,
}
_TASK_CONTEXT: dict[str, Any] = {**_OCR, "task_name": "ocr"}


@dataclass(frozen=True)
class Example:
    """A message of a topic. `untyped` means without its `type`, as `images.submitted` allows.

    `nulls` are fields at their defaults that the message contains as null.
    """

    topic: str
    name: str
    event: Event
    untyped: bool = False
    nulls: tuple[str, ...] = ()

    def payload(self) -> dict[str, Any]:
        """Returns the record's value."""
        value: dict[str, Any] = msgspec.json.decode(encode(self.event))
        if self.untyped:
            del value["type"]
        return {**value, **dict.fromkeys(self.nulls)}


EXAMPLES = (
    Example(IMAGES_SUBMITTED, "smallest", ImageSubmitted(image_path=_PATH), untyped=True),
    Example(
        IMAGES_SUBMITTED,
        "in-a-batch",
        ImageSubmitted(image_path=_PATH, batch_id=_BATCH, index=0, batch_total=2),
    ),
    Example(
        IMAGES_SUBMITTED,
        "whole",
        ImageSubmitted(
            **_IMAGE,
            public_path="https://example.org/scans/0001.png",
            total_tasks=2,
            run=2,
            page=1,
            options={"boxes": "word"},
            batch_total=2,
        ),
    ),
    Example(
        IMAGES_SUBMITTED,
        "nulls",
        ImageSubmitted(image_path=_PATH),
        nulls=("type", "chain_id", "batch_id", "index", "run", "submitted_at", "options"),
    ),
    Example(
        IMAGES_SUBMITTED,
        "refused",
        ImageSubmitted(
            image_path=f"refused:///{_BATCH}/1-2c26b46b68ffc68f.pdf",
            batch_id=_BATCH,
            index=1,
            source_name="0002.pdf",
            submitted_at=_SUBMITTED,
            refused=Refusal(
                reason=Reason.UNDECODABLE,
                error="The document cannot be split: it cannot be opened as PDF",
            ),
        ),
    ),
    Example(lane_topic("urgent"), "urgent", ImageSubmitted(image_path=_PATH, batch_id=_BATCH)),
    Example(lane_topic("gpu"), "gpu", ImageSubmitted(image_path=_PATH, batch_id=_BATCH)),
    Example(
        BATCHES_COMMANDS,
        "announced",
        BatchSubmitted(
            batch_id=_BATCH,
            batch_name="Scans of January",
            total_images=2,
            chunk_size=10,
            initiated_by="batch_ocr",
            submitted_at=_SUBMITTED,
        ),
    ),
    Example(BATCHES_COMMANDS, "total-to-follow", BatchSubmitted(batch_id=_BATCH)),
    Example(
        BATCHES_COMMANDS,
        "cancelled",
        BatchRevoked(batch_id=_BATCH, run=1, initiated_by="operator", revoked_at=_FINISHED),
    ),
    Example(
        BATCHES_COMMANDS,
        "once-more",
        BatchRetryRequested(
            batch_id=_BATCH, request_id="once-more-1", include_no_text=True, requested_at=_FINISHED
        ),
    ),
    Example(TASKS_LIFECYCLE, "submitted", TaskSubmitted(**_TASK_CONTEXT)),
    Example(TASKS_LIFECYCLE, "started", TaskStarted(**_TASK_CONTEXT, started_at=_STARTED)),
    Example(
        TASKS_LIFECYCLE,
        "retried",
        TaskRetried(
            **_TASK_CONTEXT,
            started_at=_STARTED,
            error="The store answered 503",
            reason=Reason.NOT_FOUND,
            backoff_s=0.5,
        ),
    ),
    Example(
        TASKS_LIFECYCLE,
        "succeeded",
        TaskSucceeded(
            chain_id=_CHAIN,
            task_id="layout-1",
            task_name="layout",
            started_at=_STARTED,
            finished_at=_FINISHED,
        ),
    ),
    Example(
        TASKS_LIFECYCLE,
        "failed",
        TaskFailed(
            **_TASK_CONTEXT, started_at=_STARTED, finished_at=_FINISHED, error="No model", attempt=3
        ),
    ),
    Example(
        TASKS_LIFECYCLE,
        "failed-nulls",
        TaskFailed(chain_id=_CHAIN, task_id="layout-1", task_name="layout"),
        nulls=("run", "attempt", "error", "reason"),
    ),
    Example(TASKS_LIFECYCLE, "revoked", TaskRevoked(**_TASK_CONTEXT, finished_at=_FINISHED)),
    Example(
        OCR_RESULTS,
        "read",
        OcrSucceeded(
            **_OCR,
            started_at=_STARTED,
            finished_at=_FINISHED,
            provenance=Provenance(
                engine="rapidocr",
                versions={"ocrstream": "2", "rapidocr": "3.10.0"},
                width=1240,
                height=1754,
                timings_s={"recognise": 1.25},
                turn=90,
                skew=1.5,
                turned_lines=1,
                ordered=True,
                warnings=(
                    ResultWarning(
                        code=WarningCode.UNREADABLE_SCRIPT,
                        detail="The script looks like Hangul, which the model ch has not",
                    ),
                ),
            ),
            boxes=(
                TextBox(
                    text="Größe 42 — 大小",
                    confidence=0.98,
                    bbox=((10.0, 20.0), (210.5, 20.0), (210.5, 48.0), (10.0, 48.0)),
                ),
            ),
        ),
    ),
    Example(
        OCR_RESULTS,
        "smallest",
        OcrSucceeded(chain_id=_CHAIN, image_path=_PATH, boxes=()),
    ),
    Example(
        OCR_RESULTS,
        "not-read",
        OcrFailed(
            **_OCR,
            started_at=_STARTED,
            finished_at=_FINISHED,
            reason=Reason.UNDECODABLE,
            error="This is no image",
        ),
    ),
    Example(
        BATCHES_COMPLETED,
        "ended",
        BatchCompleted(
            batch_id=_BATCH,
            revision=1,
            status="FAILURE",
            total_images=2,
            completed_images=1,
            failed_images=1,
            revoked_images=0,
            failed_by_reason={"undecodable": 1},
            batch_name="Scans of January",
            started_at=_SUBMITTED,
            finished_at=_FINISHED,
        ),
    ),
    Example(
        WORKERS_HEARTBEATS,
        "at-work",
        WorkerSeen(**_WORKER, ready=True, images_in_flight=6, images_done=1_204, images_per_s=2.25),
    ),
    Example(WORKERS_HEARTBEATS, "stopped", WorkerSeen(**_WORKER, images_done=1_210, stopped=True)),
)


def derived_ids() -> list[dict[str, Any]]:
    """Returns submissions without a chain id, with the ids that every reader derives."""
    value = encode(ImageSubmitted(image_path=_PATH)).decode()
    submissions: list[dict[str, Any]] = [
        {"batch_id": _BATCH, "index": 0, "image_path": _PATH},
        {"batch_id": _BATCH, "index": None, "image_path": _PATH},
        {"batch_id": 'Grüße "大" / \\', "index": 2_147_483_647, "image_path": "s3://b/é.png"},
        {"batch_id": 'Grüße "大" / \\', "index": None, "image_path": "s3://b/é.png"},
        {"batch_id": None, "index": None, "image_path": _PATH},
    ]
    derived: list[dict[str, Any]] = []
    for submission in submissions:
        chain_id = derive_chain_id(**submission, ref=RECORD, value=value.encode())
        written = {**msgspec.structs.asdict(RECORD), "value": value}
        record = {"record": written} if submission["batch_id"] is None else {}
        ids = {"chain_id": chain_id, "ocr_task_id": ocr_task_id(chain_id, "ocr", 1)}
        derived.append({**submission, **record, **ids})
    return derived
