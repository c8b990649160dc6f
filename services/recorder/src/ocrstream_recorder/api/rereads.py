"""The paths about reading again: what to, how far it is, and what came of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.api.reread_models import (
    Readings,
    Reread,
    RereadRequest,
    Selection,
    SelectionCount,
)
from ocrstream_recorder.api.reread_views import RereadViews
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1", tags=["rereads"])

_NO_BATCH: dict[int | str, dict[str, Any]] = {
    404: {"description": "No event has told of the batch (yet)"}
}
_NO_REREAD: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such reread"}}
_USED: dict[int | str, dict[str, Any]] = {
    409: {"description": "The request_id was used for another reread"}
}


def _views(request: Request) -> RereadViews:
    state = request.app.state
    return RereadViews(state.database.engine, state.writing_engine, state.zone)


Views = Annotated[RereadViews, Depends(_views)]
# Each item has two readings with all their boxes.
Limit = Annotated[int, Query(ge=1, le=200, description="The most items to answer")]


@router.post("/rereads", status_code=202, responses=_NO_BATCH | _USED)
async def request_reread(asked: RereadRequest, views: Views) -> Reread:
    """Read images again that have a result, and keep that result beside the new one.

    Those that are being read when it gets to them are left out. Asking with the same `request_id`
    again answers the same and does nothing more.
    """
    await _check_batch(asked.batch_id, views)
    noted = await views.request(asked)
    if (noted.batch_id, noted.where, noted.lane) != (asked.batch_id, asked.where, asked.lane):
        raise ProblemError(
            409,
            "Another reread",
            f"The request_id {asked.request_id!r} was used for another reread: use a new one",
        )
    return noted


@router.post("/rereads/count", responses=_NO_BATCH)
async def count_reread(selection: Selection, views: Views) -> SelectionCount:
    """How many images a reread would send now. Nothing is sent."""
    await _check_batch(selection.batch_id, views)
    return await views.count(selection)


@router.get("/rereads/{request_id:segment}", responses=_NO_REREAD)
async def read_reread(request_id: Key, views: Views) -> Reread:
    """A reread, and how far it is."""
    found = await views.reread(request_id)
    if found is None:
        raise ProblemError(404, "No such reread", f"Nobody has asked for a reread {request_id!r}")
    return found


@router.get("/batches/{batch_id:segment}/readings", responses=_NO_BATCH)
async def read_batch_readings(
    batch_id: Key, views: Views, cursor: Cursor = None, limit: Limit = 50
) -> Page[Readings]:
    """Old and new readings of a batch's images, of each the last time that it was read again."""
    page = await views.of_batch(batch_id, cursor, limit)
    if not page.items:
        await _check_batch(batch_id, views)
    return page


@router.get("/readings")
async def read_image_readings(
    image_path: Annotated[str, Query(min_length=1, max_length=255)],
    views: Views,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Readings]:
    """Old and new readings of an image, of each time that it was read again, the last first."""
    return await views.of_image(image_path, cursor, limit)


async def _check_batch(batch_id: str | None, views: RereadViews) -> None:
    if batch_id is not None and not await views.batch_is_known(batch_id):
        raise ProblemError(404, "No such batch", f"No event has told of a batch {batch_id!r} yet")
