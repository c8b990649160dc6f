"""What the read API answers: the tables' columns by their names, times as instants."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

ItemT = TypeVar("ItemT", bound=BaseModel)

Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class Page(BaseModel, Generic[ItemT]):
    """Some items of a list; `next_cursor` asks for those that follow, null at the end."""

    items: list[ItemT]
    next_cursor: str | None


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


class Task(BaseModel):
    """One task of a chain."""

    task_id: str
    task_name: str | None
    status: str | None
    chain_id: str | None
    run: int
    attempt: int
    retries: int
    reason: str | None
    error: str | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Chain(BaseModel):
    """One image's chain of tasks."""

    chain_id: str
    batch_id: str | None
    chain_name: str | None
    celery_task_id: str | None
    status: str
    run: int
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    started_at: datetime | None
    finished_at: datetime | None
    initiated_by: str | None
    input_data: Any
    final_result: Any
    reason: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    tasks: list[Task]


class TextBox(BaseModel):
    """A piece of text; `bbox` is its polygon in pixels of the original image."""

    text: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[list[Point], Field(min_length=4, max_length=4)]


class Image(BaseModel):
    """The newest result of an image path."""

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
    text_boxes: list[TextBox]
