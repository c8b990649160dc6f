"""The paths about reprocessing: what to, how far it is, and what came of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from ocrstream_recorder.api.http import Key
from ocrstream_recorder.api.paging import Cursor, Page
from ocrstream_recorder.api.reread_models import (
    Reprocessing,
    ReprocessRequest,
    ResultVersions,
    Selection,
    SelectionCount,
)
from ocrstream_recorder.api.reread_views import ReprocessingViews
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["reprocessings"])

_NO_BATCH: dict[int | str, dict[str, Any]] = {
    404: {"description": "No event has told of the batch (yet)"}
}
_NO_REPROCESSING: dict[int | str, dict[str, Any]] = {
    404: {"description": "The reprocessing does not exist"}
}
_USED: dict[int | str, dict[str, Any]] = {
    409: {"description": "The request_id was used for another reprocessing"}
}


def _views(request: Request) -> ReprocessingViews:
    state = request.app.state
    return ReprocessingViews(state.database.engine, state.writing_engine, state.zone)


Views = Annotated[ReprocessingViews, Depends(_views)]
# Each item has two results with all their boxes.
Limit = Annotated[int, Query(ge=1, le=200, description="The most items to answer")]


@router.post("/reprocessings", status_code=202, responses=_NO_BATCH | _USED)
async def request_reprocessing(asked: ReprocessRequest, views: Views) -> Reprocessing:
    """Read images again that have a result, and keep that result beside the new one.

    Those that are being read when it gets to them are left out. Asking with the same `request_id`
    again answers the same and does nothing more.
    """
    await _check_batch(asked.batch_id, views)
    noted = await views.request(asked)
    if (noted.batch_id, noted.where, noted.lane) != (asked.batch_id, asked.where, asked.lane):
        raise Problem(
            409,
            "Another reprocessing",
            f"The request_id {asked.request_id!r} was used for another reprocessing: use a new one",
        )
    return noted


@router.post("/reprocessings/count", responses=_NO_BATCH)
async def count_reprocessing(selection: Selection, views: Views) -> SelectionCount:
    """How many images a reprocessing would send now. Nothing is sent."""
    await _check_batch(selection.batch_id, views)
    return await views.count(selection)


@router.get("/reprocessings/{request_id:segment}", responses=_NO_REPROCESSING)
async def read_reprocessing(request_id: Key, views: Views) -> Reprocessing:
    """A reprocessing, and how far it is."""
    found = await views.reprocessing(request_id)
    if found is None:
        raise Problem(404, "No such reprocessing", f"Reprocessing {request_id!r} does not exist")
    return found


@router.get("/batches/{batch_id:segment}/result-versions", responses=_NO_BATCH)
async def read_batch_result_versions(
    batch_id: Key, views: Views, cursor: Cursor = None, limit: Limit = 50
) -> Page[ResultVersions]:
    """Old and new results of a batch's images, of each the last time that it was reprocessed."""
    page = await views.of_batch(batch_id, cursor, limit)
    if not page.items:
        await _check_batch(batch_id, views)
    return page


@router.get("/result-versions")
async def read_image_result_versions(
    image_path: Annotated[str, Query(min_length=1, max_length=255)],
    views: Views,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ResultVersions]:
    """Old and new results of an image, of each time that it was reprocessed, the last first."""
    return await views.of_image(image_path, cursor, limit)


async def _check_batch(batch_id: str | None, views: ReprocessingViews) -> None:
    if batch_id is not None and not await views.batch_is_known(batch_id):
        raise Problem(404, "No such batch", f"No event has told of a batch {batch_id!r} yet")
