"""Batches: `/v1/batches`, each batch, and the deliveries to its webhook."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, bindparam, select

from ocrstream_recorder.api.answer_cache import DATABASE_STATE, CachedRoute
from ocrstream_recorder.api.http import NOT_FOUND, Key, Moment, Text, found, with_example
from ocrstream_recorder.api.paging import MAX_INTEGER, Cursor, Limit, Page, decode_number, page_of
from ocrstream_recorder.api.queries import (
    FilterQuery,
    GeneralQueries,
    Queries,
    QuickQueries,
    SqlQuery,
)
from ocrstream_recorder.api.rows import columns_of, row_to_model
from ocrstream_recorder.database.executions import BatchMethods
from ocrstream_recorder.database.tables import BatchExecution, WebhookDelivery
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.progress.queries import NO_ESTIMATES, Estimates, estimate
from ocrstream_recorder.rules.status import DONE, ProcessStatus

router = APIRouter(prefix="/v1/batches", tags=["batches"])
cached = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=CachedRoute)


class Batch(BaseModel):
    """A batch of images and its progress."""

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
    """Percentage of its images that are done; 0 while the total is unknown."""
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
    """Images that succeeded or failed per second, lately; null once the batch has ended."""
    eta_s: float | None
    """Seconds to its end at this rate; null while the total is unknown or the rate is 0."""
    created_at: datetime
    updated_at: datetime


class Delivery(BaseModel):
    """The delivery of one revision of a batch to the batch's webhook."""

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
    """`pending`, `delivered`, `failed` (no further attempt), `superseded` (by a later revision)."""
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@router.get("")
async def read_batches(
    queries: GeneralQueries,
    *,
    batch_id: Text = None,
    batch_name: Text = None,
    status: ProcessStatus | None = None,
    initiated_by: Text = None,
    started_from: Moment | None = None,
    started_before: Moment | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Batch]:
    """Batches, the one whose first event came last first."""
    parameters = {
        "batch_id": batch_id,
        "batch_name": batch_name,
        "status": status,
        "initiated_by": initiated_by,
        "started_from": queries.local(started_from),
        "started_before": queries.local(started_before),
        "before_id": decode_number(cursor),
        "rows": limit + 1,
    }
    rows = await queries.rows(_BATCHES, parameters)
    return page_of(rows, limit, lambda row: row.id, lambda row: _batch_of(row, queries.zone))


@cached.get("/{batch_id:segment}", responses=NOT_FOUND)
async def read_batch(batch_id: Key, queries: QuickQueries) -> Batch:
    """A batch with its counts and progress."""
    return found(await batch(queries, batch_id), "batch", batch_id)


@router.get("/{batch_id:segment}/webhooks", responses=NOT_FOUND)
async def read_batch_webhooks(
    batch_id: Key, queries: GeneralQueries, cursor: Cursor = None, limit: Limit = 100
) -> Page[Delivery]:
    """The deliveries to a batch's webhook, the newest revision first."""
    parameters = {
        "batch_id": batch_id,
        "before_revision": decode_number(cursor, MAX_INTEGER),
        "rows": limit + 1,
    }
    rows = await queries.rows(_DELIVERIES, parameters)
    if not rows:
        found(await batch(queries, batch_id), "batch", batch_id)
    return page_of(
        rows,
        limit,
        lambda row: row.revision,
        lambda row: row_to_model(Delivery, row, WebhookDelivery, queries.zone),
    )


async def batch(queries: Queries, batch_id: str) -> Batch | None:
    """The batch; None if it does not exist."""
    row = await queries.first(_BATCH, {"batch_id": batch_id})
    return None if row is None else _batch_of(row, queries.zone)


_COLUMNS = [
    *columns_of(BatchExecution, Batch, without={"progress", *Estimates._fields}),
    BatchExecution.ended,
    BatchExecution.recent_images,
    BatchExecution.recent_at,
]
_BATCH = SqlQuery(
    select(*_COLUMNS, DATABASE_STATE).where(BatchExecution.batch_id == bindparam("batch_id"))
)
_BATCHES = FilterQuery(
    select(BatchExecution.id, *_COLUMNS)
    .where(BatchExecution.batch_id.is_not(None))
    .order_by(BatchExecution.id.desc())
    .limit(bindparam("rows", type_=BigInteger)),
    {
        "batch_id": BatchExecution.batch_id == bindparam("batch_id"),
        "batch_name": BatchExecution.batch_name == bindparam("batch_name"),
        "status": BatchExecution.status == bindparam("status"),
        "initiated_by": BatchExecution.initiated_by == bindparam("initiated_by"),
        "started_from": BatchExecution.started_at >= bindparam("started_from"),
        "started_before": BatchExecution.started_at < bindparam("started_before"),
        "before_id": BatchExecution.id < bindparam("before_id", type_=BigInteger),
    },
)
_DELIVERIES = FilterQuery(
    select(*columns_of(WebhookDelivery, Delivery))
    .where(WebhookDelivery.batch_id == bindparam("batch_id"))
    .order_by(WebhookDelivery.revision.desc())
    .limit(bindparam("rows", type_=BigInteger)),
    {"before_revision": WebhookDelivery.revision < bindparam("before_revision")},
)


def _batch_of(row: Any, zone: DatabaseZone) -> Batch:
    progress = BatchMethods.get_progress_percentage(row)
    estimates = _estimates_of(row)._asdict()
    return row_to_model(Batch, row, BatchExecution, zone, progress=progress, **estimates)


def _estimates_of(row: Any) -> Estimates:
    if (row.status or ProcessStatus.PENDING) in DONE:
        return NO_ESTIMATES
    done = (row.completed_images or 0) + (row.failed_images or 0) + row.revoked_images
    remaining = (row.total_images or 0) - done if row.total_known else None
    created_at = row.created_at.replace(tzinfo=UTC)
    return estimate(remaining, row.recent_images, row.recent_at, created_at, datetime.now(UTC))
