"""Results of images as the API shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ocrstream_recorder.api.models import with_example

Point = Annotated[list[float], Field(min_length=2, max_length=2)]

_BOX: dict[str, Any] = {
    "text": "Invoice",
    "confidence": 0.98,
    "bbox": [[10, 12], [96, 12], [96, 30], [10, 30]],
}
_WARNING: dict[str, Any] = {
    "code": "low_confidence",
    "detail": "The mean confidence is 0.41; engine tesseract may read it better",
}
_PROVENANCE: dict[str, Any] = {
    "engine": "rapidocr",
    "versions": {"ocrstream": "2", "rapidocr": "3.10.0"},
    "models": {},
    "device": "cpu",
    "boxes": "line",
    "width": 1240,
    "height": 1754,
    "turn": 90,
    "skew": 0.0,
    "turned_lines": 0,
    "tiles": 1,
    "shrink": 1.0,
    "ordered": True,
    "warnings": [_WARNING],
    "timings_s": {"recognise": 1.25},
    "reused": False,
    "attempt": 1,
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


class ResultWarning(BaseModel):
    """Why a result that counts as read may be wrong; newer workers may give further codes."""

    model_config = with_example(**_WARNING)

    code: str
    detail: str
    """What was seen, and what would do better."""


class Provenance(BaseModel):
    """What read an image, in which attempt, and what was done to the page for it."""

    model_config = with_example(**_PROVENANCE)

    engine: str
    versions: dict[str, str] = {}
    """Of the engine and of what it computes with; `ocrstream` is that of how workers read pages."""
    models: dict[str, str] = {}
    """SHA-256 of the model files by `role/file name`."""
    device: str = "cpu"
    boxes: Literal["line", "word"] = "line"
    width: int | None = None
    """Of the image in pixels, as is `height`."""
    height: int | None = None
    turn: int = 0
    """By how many degrees clockwise the page was turned before it was read."""
    skew: float = 0.0
    """By how many degrees its lines rise to the right after that."""
    turned_lines: int = 0
    """How many lines were read the other way up than the page."""
    tiles: int = 1
    """In how many overlapping pieces text was looked for."""
    shrink: float = 1.0
    """How many pixels of the page, along a side, became one to look for text; at least 1."""
    ordered: bool = False
    """Whether the worker put the boxes in reading order."""
    warnings: list[ResultWarning] = []
    timings_s: dict[str, float] = {}
    reused: bool = False
    """Whether it was read earlier, from a file of the same bytes."""
    attempt: int


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

    model_config = with_example(**_RESULT, provenance=_PROVENANCE, text_boxes=[_BOX])

    provenance: Provenance | None
    """Null if nothing tells, as of results from before it was recorded."""
    text_boxes: list[TextBox]


class OcrExecutionItem(_Result):
    """The newest result of an image path, its boxes counted."""

    model_config = with_example(
        **_RESULT,
        engine="rapidocr",
        warnings=["low_confidence"],
        text_box_count=30,
        mean_confidence=0.93,
    )

    engine: str | None
    """Null if nothing tells."""
    warnings: list[str]
    """Codes of the warnings that it carries."""
    text_box_count: int
    mean_confidence: Annotated[float, Field(ge=0, le=1)] | None
    """Of its text boxes; null if it has none."""
