"""The events that the worker publishes about an image; each repeats the image's whole context."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import (
    NO_TEXT_ERROR,
    OCR_TASK_NAME,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
)
from ocrstream_schemas.ids import ocr_task_id
from ocrstream_schemas.topics import OCR_RESULTS, TASKS_LIFECYCLE
from ocrstream_worker.engines.port import Recognition

_CONTEXT = (
    "batch_id",
    "index",
    "public_path",
    "chain_name",
    "total_tasks",
    "run",
    "submitted_at",
    "initiated_by",
    "source_name",
    "page",
    "options",
)


@dataclass(frozen=True)
class OutgoingEvent:
    """An event with its topic and its encoded value."""

    topic: str
    event: Event
    value: bytes


def without_options(outgoing: OutgoingEvent) -> OutgoingEvent:
    """The same event without `options`, its largest part that other events repeat."""
    event = msgspec.structs.replace(outgoing.event, options=None)
    return OutgoingEvent(outgoing.topic, event, encode(event))


@dataclass(frozen=True)
class ImageAttempt:
    """One attempt at an image; `image` is complete, as `codec.decode` returns it."""

    image: ImageSubmitted
    number: int
    started_at: datetime
    worker: str

    def started_event(self) -> OutgoingEvent:
        """The attempt takes long enough to be reported."""
        return _lifecycle_event(TaskStarted(**self._task_fields()))

    def retried_event(self, reason: Reason, error: str, backoff_s: float) -> OutgoingEvent:
        """The attempt failed for a transient reason; another one follows."""
        return _lifecycle_event(
            TaskRetried(**self._task_fields(), reason=reason, error=error, backoff_s=backoff_s)
        )

    def revoked_event(self, finished_at: datetime) -> OutgoingEvent:
        """The image is skipped because its batch was cancelled."""
        fields = self._task_fields()
        del fields["started_at"]
        return _lifecycle_event(
            TaskRevoked(**fields, finished_at=finished_at, error="The batch was cancelled")
        )

    def failed_event(self, reason: Reason, error: str, finished_at: datetime) -> OutgoingEvent:
        """The image failed for good."""
        event = OcrFailed(
            **self._context_fields(), reason=reason, error=error, finished_at=finished_at
        )
        return OutgoingEvent(OCR_RESULTS, event, encode(event))

    def recognized_event(self, recognition: Recognition, finished_at: datetime) -> OutgoingEvent:
        """The engine has read the image; an image without text fails."""
        provenance = recognition.provenance
        if not recognition.boxes:
            no_text = OcrFailed(
                **self._context_fields(),
                reason=Reason.NO_TEXT,
                error=NO_TEXT_ERROR,
                provenance=provenance,
                finished_at=finished_at,
            )
            return OutgoingEvent(OCR_RESULTS, no_text, encode(no_text))
        event = OcrSucceeded(
            **self._context_fields(),
            boxes=recognition.boxes,
            provenance=provenance,
            finished_at=finished_at,
        )
        return OutgoingEvent(OCR_RESULTS, event, encode(event))

    def _task_fields(self) -> dict[str, Any]:
        chain_id = self.image.chain_id
        return {
            **self._context_fields(),
            "task_id": ocr_task_id(str(chain_id), OCR_TASK_NAME, self.image.run),
            "task_name": OCR_TASK_NAME,
        }

    def _context_fields(self) -> dict[str, Any]:
        return {
            **{name: getattr(self.image, name) for name in _CONTEXT},
            "chain_id": self.image.chain_id,
            "image_path": self.image.image_path,
            "attempt": self.number,
            "started_at": self.started_at,
            "worker": self.worker,
        }


def _lifecycle_event(event: Event) -> OutgoingEvent:
    return OutgoingEvent(TASKS_LIFECYCLE, event, encode(event))
