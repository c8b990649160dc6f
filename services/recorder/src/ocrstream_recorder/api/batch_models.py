"""Batches as the API shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ocrstream_recorder.api.models import with_example

ChunkStatus = Literal["open", "completed", "failed"]
FailureStatus = Literal["FAILURE", "REVOKED"]


class Batch(BaseModel):
    """A batch of images, and how far it is."""

    model_config = with_example(
        batch_id="b-1",
        batch_name="letters",
        status="FAILURE",
        progress=100.0,
        revision=1,
        run=1,
        total_images=20,
        total_known=True,
        seen_images=20,
        completed_images=19,
        failed_images=1,
        revoked_images=0,
        total_chunks=2,
        completed_chunks=1,
        failed_chunks=1,
        chunk_size=10,
        started_at="2026-05-01T12:00:00Z",
        finished_at="2026-05-01T12:00:09Z",
        initiated_by="archive",
        input_data=None,
        options={"boxes": True},
        final_result={"failed_by_reason": {"no_text": 1}},
        error_message=None,
        images_per_s=None,
        eta_s=None,
        created_at="2026-05-01T12:00:00Z",
        updated_at="2026-05-01T12:00:09Z",
    )

    batch_id: str
    batch_name: str | None
    status: str
    progress: Annotated[float, Field(ge=0, le=100)]
    """Share of its images that are done, in percent; 0 while the total is unknown."""
    revision: int
    """How often the batch changed at or after its end."""
    run: int
    total_images: int
    total_known: bool
    seen_images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    total_chunks: int
    completed_chunks: int
    failed_chunks: int
    chunk_size: int
    started_at: datetime | None
    finished_at: datetime | None
    initiated_by: str | None
    input_data: Any
    options: Any
    final_result: Any
    error_message: str | None
    images_per_s: float | None
    """How many images a second were read or failed lately; null once it has ended."""
    eta_s: float | None
    """How long the others take at that pace; null while the total is unknown or nothing moves."""
    created_at: datetime
    updated_at: datetime


_FAILED_IMAGE: dict[str, Any] = {
    "image_path": "file:///data/a.png",
    "public_path": None,
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "index": 3,
    "run": 1,
    "status": "FAILURE",
    "reason": "no_text",
    "error": "No text boxes extracted",
    "source_name": "a.png",
    "page": None,
    "warnings": [],
}


@dataclass(slots=True)
class BatchImage:
    """An image of a batch and what became of it."""

    __pydantic_config__ = with_example(**_FAILED_IMAGE)

    image_path: str | None
    public_path: str | None
    chain_id: str
    index: int | None
    run: int
    status: str
    reason: str | None
    error: str | None
    source_name: str | None
    page: int | None
    warnings: list[str]
    """Codes of the warnings that its result carries, if that holds its path."""


class Chunk(BaseModel):
    """So many images of a batch in a row, by their indexes."""

    model_config = with_example(
        number=1,
        first_index=10,
        last_index=19,
        status="failed",
        seen_images=10,
        completed_images=9,
        failed_images=1,
        revoked_images=0,
    )

    number: int
    first_index: int
    last_index: int
    status: ChunkStatus
    """`completed`: all its images succeeded; `failed`: all are done, and one did not."""
    seen_images: int
    completed_images: int
    failed_images: int
    revoked_images: int


class FailureGroup(BaseModel):
    """Images of a batch that were not read for the same reason."""

    model_config = with_example(
        status="FAILURE", reason="no_text", images=1, examples=[_FAILED_IMAGE]
    )

    status: FailureStatus
    reason: str | None
    images: int
    """How many; a cancelled batch counts as revoked what was neither read nor failed."""
    examples: list[BatchImage]


class Delivery(BaseModel):
    """A revision of a batch, and what became of telling the batch's webhook."""

    model_config = with_example(
        revision=1,
        state="delivered",
        attempts=1,
        last_error=None,
        next_attempt_at=None,
        created_at="2026-05-01T12:00:09Z",
        ended_at="2026-05-01T12:00:10Z",
    )

    revision: int
    state: str
    """`pending`, `delivered`, `failed` (given up), `superseded` (by a later revision)."""
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
