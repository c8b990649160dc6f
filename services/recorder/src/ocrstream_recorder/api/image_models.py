"""Results of images as the API shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ocrstream_recorder.api.models import with_example

Point = Annotated[list[float], Field(min_length=2, max_length=2)]

_BOX: dict[str, Any] = {
    "text": "Invoice",
    "confidence": 0.98,
    "bbox": [[10, 12], [96, 12], [96, 30], [10, 30]],
}
_RESULT: dict[str, Any] = {
    "image_path": "file:///data/a.png",
    "public_path": None,
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "run": 1,
    "status": "success",
    "reason": None,
    "error": None,
    "submitted_at": "2026-05-01T12:00:00Z",
    "created_at": "2026-05-01T12:00:03Z",
    "updated_at": "2026-05-01T12:00:03Z",
}


@dataclass(slots=True)
class TextBox:
    """A piece of text; `bbox` is its polygon in pixels of the original image."""

    __pydantic_config__ = with_example(**_BOX)

    text: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[list[Point], Field(min_length=4, max_length=4)]


class _Result(BaseModel):
    image_path: str
    public_path: str | None
    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Image(_Result):
    """The newest result of an image path."""

    model_config = with_example(**_RESULT, text_boxes=[_BOX])

    text_boxes: list[TextBox]


class OcrExecutionItem(_Result):
    """The newest result of an image path, its boxes counted."""

    model_config = with_example(**_RESULT, text_box_count=30, mean_confidence=0.93)

    text_box_count: int
    mean_confidence: Annotated[float, Field(ge=0, le=1)] | None
    """Of its text boxes; null if it has none."""
