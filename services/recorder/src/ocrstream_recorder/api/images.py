"""The paths about results of images."""

import math
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from ocrstream_recorder.api import image_views
from ocrstream_recorder.api.answer_cache import CachedRoute
from ocrstream_recorder.api.image_models import Image, OcrExecutionItem
from ocrstream_recorder.api.image_views import BoxOrder, Region
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Text, storable
from ocrstream_recorder.api.reading import NOT_FOUND, QuickReads, Reads, found
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.events import Reason, WarningCode

router = APIRouter(prefix="/v1", tags=["images"])
cached = APIRouter(prefix="/v1", tags=["images"], route_class=CachedRoute)


def _is_region(text: str) -> str:
    try:
        left, top, right, bottom = (float(edge) for edge in text.split(","))
    except ValueError as error:
        raise ValueError("must be four numbers: left,top,right,bottom") from error
    if not all(map(math.isfinite, (left, top, right, bottom))) or left > right or top > bottom:
        raise ValueError(
            "must be left,top,right,bottom: left not above right, nor top above bottom"
        )
    return text


@cached.get("/images", responses=NOT_FOUND)
async def read_image(
    image_path: Annotated[str, Query(min_length=1, max_length=255), AfterValidator(storable)],
    reads: QuickReads,
    *,
    min_confidence: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
    region: Annotated[
        str | None,
        Query(
            max_length=100,
            description="Only boxes that touch it: left,top,right,bottom in pixels",
            examples=["0,0,600,120"],
        ),
        AfterValidator(lambda text: text if text is None else _is_region(text)),
    ] = None,
    order: Annotated[
        BoxOrder,
        Query(
            description="`reading`: as a person reads them; `stored`: as they stand in the"
            " database, which is another order in results from before workers ordered them"
        ),
    ] = "reading",
) -> Image:
    """The newest result of an image path, with its text boxes."""
    edges = None if region is None else Region(*map(float, region.split(",")))
    image = await image_views.image(
        reads, image_path, min_confidence=min_confidence, region=edges, order=order
    )
    return found(image, "image", image_path)


@router.get("/ocr-executions")
async def read_ocr_executions(
    reading: Reads,
    *,
    chain_id: Text = None,
    status: ImageStatus | None = None,
    reason: Reason | None = None,
    engine: Annotated[
        Text, Query(description="What read it; `unknown`: results of which nothing tells")
    ] = None,
    warning: Annotated[
        WarningCode | None, Query(description="Only results that carry this warning")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[OcrExecutionItem]:
    """Newest results by image path, those of the paths heard of last first."""
    return await image_views.executions(
        reading,
        chain_id=chain_id,
        status=status,
        reason=reason,
        engine=engine,
        warning=warning,
        cursor=cursor,
        limit=limit,
    )
