"""The queries behind the batches' paths."""

from typing import Any

from sqlalchemy import exists, select, tuple_
from sqlalchemy.orm import aliased

from ocrstream_recorder.api.batch_models import Batch, BatchImage, Delivery
from ocrstream_recorder.api.cursors import decode_cursor
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.domain.status import ProcessStatus
from ocrstream_recorder.store.tables import BatchExecution, ChainExecution, WebhookDelivery


async def batch(reading: Reading, batch_id: str) -> Batch | None:
    """The batch, or None if no event told of it."""
    row = await reading.session.scalar(
        select(BatchExecution).where(BatchExecution.batch_id == batch_id)
    )
    if row is None:
        return None
    return reading.view(Batch, row, progress=row.get_progress_percentage())


async def batch_images(
    reading: Reading, batch_id: str, cursor: str | None, limit: int
) -> Page[BatchImage]:
    """Images of a batch by index, those without one last."""
    newer = aliased(ChainExecution)
    of_batch = select(ChainExecution).where(
        ChainExecution.batch_id == batch_id,
        # A chain from before the recorder is hidden by one of the same id that events told of.
        (ChainExecution.run > 0)
        | ~exists().where(newer.chain_id == ChainExecution.chain_id, newer.run > 0),
    )
    indexed = of_batch.where(ChainExecution.image_index.is_not(None)).order_by(
        ChainExecution.image_index, ChainExecution.id
    )
    others = of_batch.where(ChainExecution.image_index.is_(None)).order_by(ChainExecution.id)
    index, row_id = decode_cursor(cursor, tuple[int | None, int]) if cursor else (-1, 0)
    rows: list[ChainExecution] = []
    if index is not None:
        place = tuple_(ChainExecution.image_index, ChainExecution.id)
        rows += await reading.session.scalars(
            indexed.where(place > (index, row_id)).limit(limit + 1)
        )
        row_id = 0
    if len(rows) <= limit:
        rows += await reading.session.scalars(
            others.where(ChainExecution.id > row_id).limit(limit + 1 - len(rows))
        )
    return page_of(rows, limit, lambda row: (row.image_index, row.id), _batch_image)


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
        query = query.where(WebhookDelivery.revision < decode_cursor(cursor, int))
    rows = (await reading.session.scalars(query)).all()
    return page_of(rows, limit, lambda row: row.revision, lambda row: reading.view(Delivery, row))


def _batch_image(row: ChainExecution) -> BatchImage:
    told: dict[str, Any] = row.input_data if isinstance(row.input_data, dict) else {}

    def said(name: str, kind: type) -> Any:
        # What stands there from before the recorder may be anything.
        return value if isinstance(value := told.get(name), kind) else None

    return BatchImage(
        image_path=said("image_path", str),
        public_path=said("public_path", str),
        chain_id=row.chain_id,
        index=said("index", int) if row.image_index is None else row.image_index,
        run=row.run,
        status=row.status or ProcessStatus.PENDING,
        reason=row.reason,
        error=row.error_message,
        source_name=said("source_name", str),
        page=said("page", int),
    )
