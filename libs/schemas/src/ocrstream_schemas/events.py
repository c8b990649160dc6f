"""Typed, immutable models of all events between the services.

An encoded event is a JSON object with a `type` (optional on `images.submitted`). Readers ignore
unknown fields; a missing optional field and `null` mean the same. Times are RFC 3339; a time
without an offset is UTC. Readers bound times by the record's timestamp (see `times`). A field
documented at a base class means the same in its subclasses.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from ocrstream_schemas.fields import (
    Attempt,
    Confidence,
    Count,
    HeartbeatInterval,
    Identifier,
    Index,
    Initiator,
    Name,
    Path,
    Polygon,
    PositiveCount,
    Rate,
    Run,
    Sha256,
    SourceName,
    WorkerName,
)

OCR_TASK_NAME = "ocr"
NO_TEXT_ERROR = "No text boxes extracted"


class Reason(StrEnum):
    """Why an image was not read."""

    NO_TEXT = "no_text"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    ENGINE = "engine"
    TIMEOUT = "timeout"
    REVOKED = "revoked"
    DEAD_LETTERED = "dead_lettered"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all events."""


class _ImageContext(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The fields that create an image's rows; every event about an image repeats them.

    `index` is the image's position in its batch, from 0. `total_tasks` is the number of tasks in
    the image's chain, 1 unless an event says otherwise. A retry increments `run`. `source_name` is
    the name of the user's file, `page` its page if it is a document, from 1.
    """

    batch_id: Identifier | None = None
    index: Index | None = None
    public_path: Path | None = None
    chain_name: Name | None = None
    total_tasks: PositiveCount | None = None
    run: Run = 1
    submitted_at: datetime | None = None
    initiated_by: Initiator | None = None
    source_name: SourceName | None = None
    page: PositiveCount | None = None
    options: dict[str, Any] | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the producer of a submission accepts no file of the image."""

    reason: Reason
    error: str


class ImageSubmitted(
    _ImageContext, frozen=True, kw_only=True, omit_defaults=True, tag="ImageSubmitted"
):
    """Submits an image for OCR. The smallest useful event is `{"image_path": "file:///…/a.png"}`.

    `batch_total` is the number of images in the batch, for producers that do not send
    BatchSubmitted. Readers derive a missing `chain_id` (see `ids.derive_chain_id`), and use the
    record's timestamp for a missing `submitted_at`.

    With `refused` the image counts as failed, as by OcrFailed: workers skip it. If it has no file,
    its `image_path` has the scheme `refused` and is unique, like `refused:///batch/7`; a retry of
    such an image fails again with the same reason.
    """

    image_path: Path
    chain_id: Identifier | None = None
    batch_total: Count | None = None
    refused: Refusal | None = None


class BatchSubmitted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchSubmitted"):
    """Announces a batch, before, between or after its images.

    `total_images` is missing while the producer does not know the total.
    """

    batch_id: Identifier
    batch_name: Name | None = None
    total_images: Count | None = None
    chunk_size: PositiveCount | None = None
    initiated_by: Initiator | None = None
    options: dict[str, Any] | None = None
    input_data: dict[str, Any] | None = None
    submitted_at: datetime | None = None


class BatchRevoked(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchRevoked"):
    """Cancels the unfinished images of a batch in this run and all earlier runs."""

    batch_id: Identifier
    run: Run = 1
    initiated_by: Initiator | None = None
    revoked_at: datetime | None = None


class BatchRetryRequested(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchRetryRequested"
):
    """Retries the failed and revoked images of a batch in a new run, once per `request_id`."""

    batch_id: Identifier
    request_id: Identifier
    include_no_text: bool = False
    initiated_by: Initiator | None = None
    requested_at: datetime | None = None


class BatchCompleted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchCompleted"):
    """The state of a batch when it ends, and after every later change.

    The event with the greatest `revision` is the current one.
    """

    batch_id: Identifier
    revision: PositiveCount
    status: str
    total_images: Count
    completed_images: Count
    failed_images: Count
    revoked_images: Count
    failed_by_reason: dict[str, int]
    batch_name: Name | None = None
    initiated_by: Initiator | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class _TaskEvent(_ImageContext, frozen=True, kw_only=True, omit_defaults=True):
    """A state change of one task in an image's chain.

    `attempt` counts from 1 within a run, and restarts at 1 after a crash of the worker.
    """

    task_id: Identifier
    task_name: Name
    chain_id: Identifier
    attempt: Attempt = 1
    image_path: Path | None = None
    worker: Name | None = None


class TaskSubmitted(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskSubmitted"):
    """The task waits for a worker."""


class TaskStarted(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskStarted"):
    """A worker began an attempt."""

    started_at: datetime | None = None


class TaskRetried(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskRetried"):
    """An attempt failed temporarily; the worker begins the next attempt after `backoff_s`."""

    started_at: datetime | None = None
    error: str | None = None
    reason: Reason | None = None
    backoff_s: float | None = None


class TaskSucceeded(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskSucceeded"):
    """The task succeeded."""

    started_at: datetime | None = None
    finished_at: datetime | None = None


class TaskFailed(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskFailed"):
    """The task failed permanently in this run."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    reason: Reason = Reason.ENGINE


class TaskRevoked(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskRevoked"):
    """The worker skipped the task because its batch is cancelled."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


class TextBox(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line or word of text.

    `bbox` is its polygon: four points `[x, y]` in pixels of the original image, clockwise from the
    top left corner of the text.
    """

    # gc=False, because there are millions of boxes, and they cannot form reference cycles.

    text: str
    confidence: Confidence
    bbox: Polygon


BoxUnit = Literal["line", "word"]
"""The unit of a result's boxes; a result never mixes units."""


class WarningCode(StrEnum):
    """Why a successful result may still be wrong."""

    UNREADABLE_SCRIPT = "unreadable_script"
    LOW_CONFIDENCE = "low_confidence"
    SMALL_TEXT = "small_text"
    REDUCED_RESOLUTION = "reduced_resolution"


class ResultWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A reason why a result may be wrong.

    `code` is a `WarningCode`; readers must expect codes that they do not know. `detail` describes
    the observation, and the engine or model that would read the image better.
    """

    code: Name
    detail: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the worker read the image in the outcome's `attempt`.

    `versions` are the versions of the engine and its libraries, `models` the SHA-256 of its model
    files by `role/file name`, `device` the device that it actually used. `boxes` is the requested
    unit. `width` and `height` are those of the decoded image in pixels, `timings_s` the seconds of
    each step. `reused` means that the result comes from an earlier image with the same bytes.

    `turn` is the clockwise rotation of the page before OCR in degrees, `skew` the angle in degrees
    by which its lines then rise to the right. `turned_lines` is the number of lines that are upside
    down relative to the page. `tiles` is the number of overlapping tiles in which the engine
    detected text. `shrink` is the factor by which the page was scaled down for detection, at least
    1; it does not include enlargement. `ordered` means that the boxes are in reading order.

    `versions["ocrstream"]` is the version of the worker's own page processing: 2 since it turns
    pages upright, 4 since it joins Chinese and Japanese words without blanks; results without this
    key are older.
    """

    engine: Name
    versions: dict[str, str] = {}
    models: Annotated[dict[Name, Sha256], msgspec.Meta(max_length=16)] = {}
    device: Name = "cpu"
    boxes: BoxUnit = "line"
    width: Count | None = None
    height: Count | None = None
    timings_s: dict[str, float] = {}
    reused: bool = False
    turn: Literal[0, 90, 180, 270] = 0
    skew: float = 0.0
    turned_lines: Count = 0
    tiles: PositiveCount = 1
    shrink: float = 1.0
    ordered: bool = False
    warnings: Annotated[tuple[ResultWarning, ...], msgspec.Meta(max_length=16)] = ()


class _OcrOutcome(_ImageContext, frozen=True, kw_only=True, omit_defaults=True):
    """The complete outcome of an image's OCR task; recording it needs no other event."""

    chain_id: Identifier
    image_path: Path
    task_id: Identifier | None = None
    task_name: Name = OCR_TASK_NAME
    attempt: Attempt = 1
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: Name | None = None
    provenance: Provenance | None = None


class OcrSucceeded(_OcrOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="OcrSucceeded"):
    """The engine read the image. An outcome without boxes counts as failed with `no_text`."""

    boxes: tuple[TextBox, ...]


class OcrFailed(_OcrOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="OcrFailed"):
    """The worker could not read the image in this run."""

    reason: Reason
    error: str


class WorkerSeen(Event, frozen=True, kw_only=True, omit_defaults=True, tag="WorkerSeen"):
    """A worker's heartbeat, sent every `interval_s` seconds, and a last time with `stopped`.

    `worker` is its name in results. `lanes` are the lanes that it serves, the most urgent first.
    `ready` says whether its engine accepts images. `images_done` counts since `started_at`;
    `images_per_s` is the rate over at most the last minute. A worker without a heartbeat for three
    intervals counts as dead.
    """

    worker: WorkerName
    host: Name
    engine: Name
    versions: Annotated[dict[Name, Name], msgspec.Meta(max_length=32)] = {}
    device: Name = "cpu"
    lanes: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    ready: bool = True
    images_in_flight: Count = 0
    images_done: Count = 0
    images_per_s: Rate = 0.0
    started_at: datetime
    interval_s: HeartbeatInterval
    stopped: bool = False


LifecycleEvent = (
    TaskSubmitted | TaskStarted | TaskRetried | TaskSucceeded | TaskFailed | TaskRevoked
)
OcrEvent = OcrSucceeded | OcrFailed
CommandEvent = BatchSubmitted | BatchRevoked | BatchRetryRequested
AnyEvent = ImageSubmitted | LifecycleEvent | OcrEvent | CommandEvent | BatchCompleted | WorkerSeen
