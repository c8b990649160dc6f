"""The queries behind the batches' own paths."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from ocrstream_recorder.api.answer_cache import DATABASE_STATE
from ocrstream_recorder.api.batch_models import Batch, Delivery
from ocrstream_recorder.api.cursors import MAX_INTEGER, decode_number
from ocrstream_recorder.api.direct_reads import Question
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Asks, Reading, Shown
from ocrstream_recorder.database.executions import BatchMethods
from ocrstream_recorder.database.tables import BatchExecution, WebhookDelivery
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.progress.queries import NOTHING, Estimates, estimate
from ocrstream_recorder.rules.status import DONE, ProcessStatus


class BatchFilter(NamedTuple):
    """Which batches; None is any. Times are of the first that is known of a batch."""

    batch_id: str | None
    batch_name: str | None
    status: ProcessStatus | None
    initiated_by: str | None
    started_from: datetime | None
    started_before: datetime | None


_ESTIMATED_FROM = ("ended", "recent_images", "recent_at")
_BATCH = Question(
    select(
        *(
            getattr(BatchExecution, name)
            for name in (*Batch.model_fields, *_ESTIMATED_FROM)
            if name not in {"progress", *Estimates._fields}
        ),
        DATABASE_STATE,
    ).where(BatchExecution.batch_id == bindparam("batch_id"))
)


async def batch(asks: Asks, batch_id: str) -> Batch | None:
    """The batch, or None if no event told of it."""
    for row in await asks.rows(_BATCH, {"batch_id": batch_id}):
        return _view(asks.zone, row)
    return None


async def row_of(reading: Reading, batch_id: str) -> BatchExecution | None:
    """The batch's row, or None if no event told of it."""
    return await reading.session.scalar(
        select(BatchExecution).where(BatchExecution.batch_id == batch_id)
    )


def _view(zone: DatabaseZone, row: Any) -> Batch:
    """The batch as it is shown; a row of `_BATCH`, or the whole."""
    progress = BatchMethods.get_progress_percentage(row)
    return Shown(zone).view(
        Batch, row, BatchExecution, progress=progress, **_estimates_of(row)._asdict()
    )


def _estimates_of(row: Any) -> Estimates:
    if (row.status or ProcessStatus.PENDING) in DONE:
        return NOTHING
    done = (row.completed_images or 0) + (row.failed_images or 0) + row.revoked_images
    left = (row.total_images or 0) - done if row.total_known else None
    created_at = row.created_at.replace(tzinfo=UTC)
    return estimate(left, row.recent_images, row.recent_at, created_at, datetime.now(UTC))


async def batches(
    reading: Reading, wanted: BatchFilter, cursor: str | None, limit: int
) -> Page[Batch]:
    """Batches, those heard of last first."""
    query = select(BatchExecution).order_by(BatchExecution.id.desc()).limit(limit + 1)
    for column, value in (
        (BatchExecution.batch_id, wanted.batch_id),
        (BatchExecution.batch_name, wanted.batch_name),
        (BatchExecution.status, wanted.status),
        (BatchExecution.initiated_by, wanted.initiated_by),
    ):
        if value is not None:
            query = query.where(column == value)
    query = query.where(
        BatchExecution.batch_id.is_not(None),
        *reading.between(BatchExecution.started_at, wanted.started_from, wanted.started_before),
    )
    if cursor is not None:
        query = query.where(BatchExecution.id < decode_number(cursor))
    rows = (await reading.session.scalars(query)).all()
    return page_of(rows, limit, lambda row: row.id, lambda row: _view(reading.zone, row))


async def deliveries(
    reading: Reading, batch_id: str, cursor: str | None, limit: int
) -> Page[Delivery]:
    """Deliveries to a batch's webhook, the newest revision first."""
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.batch_id == batch_id)
        .order_by(WebhookDelivery.revision.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(WebhookDelivery.revision < decode_number(cursor, MAX_INTEGER))
    rows = (await reading.session.scalars(query)).all()
    return page_of(rows, limit, lambda row: row.revision, lambda row: reading.view(Delivery, row))
