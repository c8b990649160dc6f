"""The paths about batches."""

from typing import Annotated

from fastapi import APIRouter, Query

from ocrstream_recorder.api import batch_image_views, batch_views
from ocrstream_recorder.api.answer_cache import CachedRoute
from ocrstream_recorder.api.batch_models import Batch, BatchImage, Chunk, Delivery, FailureGroup
from ocrstream_recorder.api.batch_views import BatchFilter
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Moment, Text
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.api.reading import NOT_FOUND, QuickReads, Reading, Reads, found
from ocrstream_recorder.database.tables import BatchExecution
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason, WarningCode

router = APIRouter(prefix="/v1/batches", tags=["batches"])
cached = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=CachedRoute)


@router.get("")
async def read_batches(
    reading: Reads,
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
    """Batches, those heard of last first."""
    wanted = BatchFilter(batch_id, batch_name, status, initiated_by, started_from, started_before)
    return await batch_views.batches(reading, wanted, cursor, limit)


@cached.get("/{batch_id:segment}", responses=NOT_FOUND)
async def read_batch(batch_id: Key, reads: QuickReads) -> Batch:
    """A batch with its counts and progress."""
    return found(await batch_views.batch(reads, batch_id), "batch", batch_id)


@cached.get("/{batch_id:segment}/images", responses=NOT_FOUND)
async def read_batch_images(
    batch_id: Key,
    reads: QuickReads,
    *,
    status: ProcessStatus | None = None,
    reason: Reason | None = None,
    warning: Annotated[
        WarningCode | None, Query(description="Only images whose result carries this warning")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[BatchImage]:
    """A batch's images by index, with what became of each."""
    page = await batch_image_views.images(
        reads,
        batch_id,
        status=status,
        reason=reason,
        warning=warning,
        cursor=cursor,
        limit=limit,
    )
    if not page.items:
        found(await batch_views.batch(reads, batch_id), "batch", batch_id)
    return page


@router.get("/{batch_id:segment}/chunks", responses=NOT_FOUND)
async def read_batch_chunks(
    batch_id: Key, reading: Reads, cursor: Cursor = None, limit: Limit = 100
) -> Page[Chunk]:
    """A batch's chunks; none while its total is unknown, or if an image has no index.

    Where chunks are large, a page may hold fewer than `limit`. A batch from before the recorder
    has none.
    """
    return await batch_image_views.chunks(reading, await _row(reading, batch_id), cursor, limit)


@router.get("/{batch_id:segment}/failures", responses=NOT_FOUND)
async def read_batch_failures(
    batch_id: Key,
    reading: Reads,
    examples: Annotated[int, Query(ge=0, le=20, description="The most images to show of each")] = 3,
) -> Page[FailureGroup]:
    """Why images of a batch were not read, the commonest first; always one page.

    All images of a reason are listed by `…/images?reason=`.
    """
    batch = await _row(reading, batch_id)
    groups = await batch_image_views.failures(reading, batch, examples)
    return Page(items=groups, next_cursor=None)


@router.get("/{batch_id:segment}/webhooks", responses=NOT_FOUND)
async def read_batch_webhooks(
    batch_id: Key, reading: Reads, cursor: Cursor = None, limit: Limit = 100
) -> Page[Delivery]:
    """What the batch's webhook was told, the newest revision first."""
    page = await batch_views.deliveries(reading, batch_id, cursor, limit)
    if not page.items:
        await _row(reading, batch_id)
    return page


async def _row(reading: Reading, batch_id: str) -> BatchExecution:
    return found(await batch_views.row_of(reading, batch_id), "batch", batch_id)
