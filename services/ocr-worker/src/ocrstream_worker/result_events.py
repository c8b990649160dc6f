"""What the worker says about an image; every event repeats the image's whole context."""

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
    """An event on its way to a topic."""

    topic: str
    event: Event
    value: bytes


def without_options(message: OutgoingEvent) -> OutgoingEvent:
    """The same event without its largest part that is repeated only for convenience."""
    event = msgspec.structs.replace(message.event, options=None)
    return OutgoingEvent(message.topic, event, encode(event))


@dataclass(frozen=True)
class ImageAttempt:
    """One try at an image. `image` is complete, as `codec.decode` gives it."""

    image: ImageSubmitted
    number: int
    started_at: datetime
    worker: str

    def started(self) -> OutgoingEvent:
        """The attempt takes long enough to be worth telling."""
        return _lifecycle(TaskStarted(**self._task()))

    def retried(self, reason: Reason, error: str, backoff_s: float) -> OutgoingEvent:
        """It failed for a reason that may pass; the next one follows."""
        return _lifecycle(
            TaskRetried(**self._task(), reason=reason, error=error, backoff_s=backoff_s)
        )

    def revoked(self, finished_at: datetime) -> OutgoingEvent:
        """The image is skipped because its batch was cancelled."""
        task = self._task()
        del task["started_at"]
        return _lifecycle(
            TaskRevoked(**task, finished_at=finished_at, error="The batch was cancelled")
        )

    def failed(self, reason: Reason, error: str, finished_at: datetime) -> OutgoingEvent:
        """The image cannot be read."""
        event = OcrFailed(**self._context(), reason=reason, error=error, finished_at=finished_at)
        return OutgoingEvent(OCR_RESULTS, event, encode(event))

    def recognized(self, recognition: Recognition, finished_at: datetime) -> OutgoingEvent:
        """The engine is done with the image; without any text it has failed."""
        provenance = recognition.provenance
        if not recognition.boxes:
            blank = OcrFailed(
                **self._context(),
                reason=Reason.NO_TEXT,
                error=NO_TEXT_ERROR,
                provenance=provenance,
                finished_at=finished_at,
            )
            return OutgoingEvent(OCR_RESULTS, blank, encode(blank))
        event = OcrSucceeded(
            **self._context(),
            boxes=recognition.boxes,
            provenance=provenance,
            finished_at=finished_at,
        )
        return OutgoingEvent(OCR_RESULTS, event, encode(event))

    def _task(self) -> dict[str, Any]:
        chain_id = self.image.chain_id
        return {
            **self._context(),
            "task_id": ocr_task_id(str(chain_id), OCR_TASK_NAME, self.image.run),
            "task_name": OCR_TASK_NAME,
        }

    def _context(self) -> dict[str, Any]:
        return {
            **{name: getattr(self.image, name) for name in _CONTEXT},
            "chain_id": self.image.chain_id,
            "image_path": self.image.image_path,
            "attempt": self.number,
            "started_at": self.started_at,
            "worker": self.worker,
        }


def _lifecycle(event: Event) -> OutgoingEvent:
    return OutgoingEvent(TASKS_LIFECYCLE, event, encode(event))
