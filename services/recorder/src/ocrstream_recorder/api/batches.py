"""The paths about batches."""

from fastapi import APIRouter

from ocrstream_recorder.api import batch_views
from ocrstream_recorder.api.batch_models import Batch, BatchImage, Delivery
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.api.reading import NOT_FOUND, Reading, Reads, found

router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.get("/{batch_id:segment}", responses=NOT_FOUND)
async def read_batch(batch_id: Key, reading: Reads) -> Batch:
    """A batch with its counts and progress."""
    return await _batch(reading, batch_id)


@router.get("/{batch_id:segment}/images", responses=NOT_FOUND)
async def read_batch_images(
    batch_id: Key, reading: Reads, cursor: Cursor = None, limit: Limit = 100
) -> Page[BatchImage]:
    """A batch's images by index, with what became of each."""
    page = await batch_views.batch_images(reading, batch_id, cursor, limit)
    if not page.items:
        await _batch(reading, batch_id)
    return page


@router.get("/{batch_id:segment}/webhooks", responses=NOT_FOUND)
async def read_batch_webhooks(
    batch_id: Key, reading: Reads, cursor: Cursor = None, limit: Limit = 100
) -> Page[Delivery]:
    """What the batch's webhook was told, the newest revision first."""
    page = await batch_views.deliveries(reading, batch_id, cursor, limit)
    if not page.items:
        await _batch(reading, batch_id)
    return page


async def _batch(reading: Reading, batch_id: str) -> Batch:
    return found(await batch_views.batch(reading, batch_id), "batch", batch_id)
