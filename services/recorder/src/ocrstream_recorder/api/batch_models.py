"""Batches as the API shows them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field


class Batch(BaseModel):
    """A batch of images, and how far it is."""

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
    created_at: datetime
    updated_at: datetime


class BatchImage(BaseModel):
    """An image of a batch and what became of it."""

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


class Delivery(BaseModel):
    """A revision of a batch, and what became of telling the batch's webhook."""

    revision: int
    state: str
    """`pending`, `delivered`, `failed` (given up), `superseded` (by a later revision)."""
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
