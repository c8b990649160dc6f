"""The paths of the read API."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request

from ocrstream_recorder.api.models import Batch, BatchImage, Chain, Delivery, Image, Page, Task
from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.api.views import Views
from ocrstream_recorder.domain.status import ProcessStatus
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["read"])

AnswerT = TypeVar("AnswerT")

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "Nothing is known of it (yet), as a problem document"}
}


async def open_views(request: Request) -> AsyncIterator[Views]:
    """The queries, in a session for one request."""
    async with open_session(request.app.state.engine) as session:
        yield Views(session, request.app.state.zone)


Reader = Annotated[Views, Depends(open_views)]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most items to answer")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the answer before")
]
Text = Annotated[str | None, Query(max_length=255)]


@router.get("/batches/{batch_id}", responses=NOT_FOUND)
async def read_batch(batch_id: str, views: Reader) -> Batch:
    """A batch with its counts and progress."""
    return _found(await views.batch(batch_id), "batch", batch_id)


@router.get("/batches/{batch_id}/images", responses=NOT_FOUND)
async def read_batch_images(
    batch_id: str, views: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[BatchImage]:
    """A batch's images by index, with what became of each."""
    page = await views.batch_images(batch_id, cursor, limit)
    if not page.items:
        _found(await views.batch(batch_id), "batch", batch_id)
    return page


@router.get("/batches/{batch_id}/webhooks", responses=NOT_FOUND)
async def read_batch_webhooks(
    batch_id: str, views: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[Delivery]:
    """What the batch's webhook was told, the newest revision first."""
    page = await views.deliveries(batch_id, cursor, limit)
    if not page.items:
        _found(await views.batch(batch_id), "batch", batch_id)
    return page


@router.get("/chains/{chain_id}", responses=NOT_FOUND)
async def read_chain(chain_id: str, views: Reader) -> Chain:
    """One image's chain with its tasks."""
    return _found(await views.chain(chain_id), "chain", chain_id)


@router.get("/images", responses=NOT_FOUND)
async def read_image(
    image_path: Annotated[str, Query(min_length=1, max_length=255)], views: Reader
) -> Image:
    """The newest result of an image path, with its text boxes in reading order."""
    return _found(await views.image(image_path), "image", image_path)


@router.get("/tasks")
async def read_tasks(
    views: Reader,
    *,
    chain_id: Text = None,
    task_name: Text = None,
    status: ProcessStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Task]:
    """Tasks, the newest first."""
    return await views.tasks(
        chain_id=chain_id, task_name=task_name, status=status, cursor=cursor, limit=limit
    )


def _found(answer: AnswerT | None, kind: str, key: str) -> AnswerT:
    if answer is None:
        raise Problem(404, f"No such {kind}", f"No event has told of a {kind} {key!r} yet")
    return answer
