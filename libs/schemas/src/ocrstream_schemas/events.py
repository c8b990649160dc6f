"""Every event that crosses a service boundary, as typed, immutable models.

On the wire an event is one JSON object with a `type` (optional on `images.submitted`). Unknown
fields are ignored; a missing optional field and `null` mean the same. Times are RFC 3339; one
without an offset is UTC. Fields documented at a base class mean the same in its subclasses.
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
    """What is needed to create an image's rows; every event about an image repeats it.

    `index` is the image's place in its batch, from 0. `total_tasks` is how many tasks the image's
    chain has, 1 if no event says otherwise. `run` counts up when a failed image is tried again.
    `source_name` is what the user called the file, `page` its page if it was a document (from 1).
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


class ImageSubmitted(
    _ImageContext, frozen=True, kw_only=True, omit_defaults=True, tag="ImageSubmitted"
):
    """An image to be read. The smallest useful one is `{"image_path": "file:///…/a.png"}`.

    `batch_total` announces how many images the batch has, for producers that never send
    BatchSubmitted. A missing `chain_id` is derived, see `ids.derive_chain_id`; a missing
    `submitted_at` is the record's timestamp.
    """

    image_path: Path
    chain_id: Identifier | None = None
    batch_total: Count | None = None


class BatchSubmitted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchSubmitted"):
    """Announces a batch, before, amid or after its images. `total_images` None: not known yet."""

    batch_id: Identifier
    batch_name: Name | None = None
    total_images: Count | None = None
    chunk_size: PositiveCount | None = None
    initiated_by: Initiator | None = None
    options: dict[str, Any] | None = None
    input_data: dict[str, Any] | None = None
    submitted_at: datetime | None = None


class BatchRevoked(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchRevoked"):
    """Cancels what is not finished of a batch's images of this run and those before."""

    batch_id: Identifier
    run: Run = 1
    initiated_by: Initiator | None = None
    revoked_at: datetime | None = None


class BatchRetryRequested(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchRetryRequested"
):
    """Asks a batch for another run of its failed and revoked images; once per `request_id`."""

    batch_id: Identifier
    request_id: Identifier
    include_no_text: bool = False
    initiated_by: Initiator | None = None
    requested_at: datetime | None = None


class BatchCompleted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="BatchCompleted"):
    """A batch's row after it ended, and after every later change; the greatest `revision` holds."""

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
    """One step in the life of one task of an image's chain.

    `attempt` counts from 1 within a run and restarts at 1 when a worker crashed.
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
    """An attempt began."""

    started_at: datetime | None = None


class TaskRetried(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskRetried"):
    """Attempt number `attempt` failed for a passing reason; the next begins after `backoff_s`."""

    started_at: datetime | None = None
    error: str | None = None
    reason: Reason | None = None
    backoff_s: float | None = None


class TaskSucceeded(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskSucceeded"):
    """The task is done."""

    started_at: datetime | None = None
    finished_at: datetime | None = None


class TaskFailed(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskFailed"):
    """The task failed for good in this run."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    reason: Reason = Reason.ENGINE


class TaskRevoked(_TaskEvent, frozen=True, kw_only=True, omit_defaults=True, tag="TaskRevoked"):
    """The task was skipped because its batch was cancelled."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


class TextBox(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line or word: `bbox` is its polygon, four `[x, y]` in the original image's pixels,

    from the text's top left corner clockwise.
    """

    # There are millions of them and they hold no cycles: the garbage collector need not look.

    text: str
    confidence: Confidence
    bbox: Polygon


BoxUnit = Literal["line", "word"]
"""What a result's boxes are; one result never mixes them."""


class WarningCode(StrEnum):
    """Why a result that counts as read may still be wrong."""

    UNREADABLE_SCRIPT = "unreadable_script"
    LOW_CONFIDENCE = "low_confidence"
    SMALL_TEXT = "small_text"


class ResultWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something that speaks against a result; readers may meet codes that are newer than they.

    `code` is one of `WarningCode`, `detail` says what was seen and which engine or model would do
    better.
    """

    code: Name
    detail: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What read the image, in the outcome's `attempt`, and what was done to the page for it.

    `versions` are those of the engine and of what it computes with, `models` the SHA-256 of its
    model files by `role/file name`, `device` the one that was really used. `boxes` says what was
    asked for. `width` and `height` are the raster's in pixels, `timings_s` seconds by step.
    `reused`: this was read earlier, from a file of the same bytes.

    `turn`: by how many degrees clockwise the page was turned before it was read; `skew`: by how
    many degrees its lines rise to the right after that. `turned_lines`: how many lines were read
    the other way up than the page. `tiles`: in how many overlapping pieces text was looked for.
    `shrink`: how many pixels of the page, along a side, one pixel stands for in which text was
    looked for: at least 1, for it does not tell of enlarging. `ordered`: the boxes stand in reading
    order.

    `versions["ocrstream"]` is that of the worker's own way to read a page: 2 since pages are turned
    upright; results without it were read before.
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
    """The whole outcome of an image's OCR task; no other event is needed to record it."""

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
    """The image was read. Without any box it counts as failed, reason `no_text`."""

    boxes: tuple[TextBox, ...]


class OcrFailed(_OcrOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="OcrFailed"):
    """The image could not be read in this run."""

    reason: Reason
    error: str


class WorkerSeen(Event, frozen=True, kw_only=True, omit_defaults=True, tag="WorkerSeen"):
    """A worker is there. It says so every `interval_s` seconds, and with `stopped` a last time.

    `worker` is the name in its results. `lanes` are those it serves, the most urgent first. `ready`
    tells whether its engine takes images. `images_done` counts since `started_at`;
    `images_per_s` is over the last minute at most. One that has been silent for three intervals is
    taken for dead.
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
