"""The paths about results of images."""

from typing import Annotated

from fastapi import APIRouter, Query

from ocrstream_recorder.api import image_views
from ocrstream_recorder.api.image_models import Image
from ocrstream_recorder.api.reading import NOT_FOUND, Reads, found

router = APIRouter(prefix="/v1/images", tags=["images"])


@router.get("", responses=NOT_FOUND)
async def read_image(
    image_path: Annotated[str, Query(min_length=1, max_length=255)], reading: Reads
) -> Image:
    """The newest result of an image path, with its text boxes in reading order."""
    return found(await image_views.image(reading, image_path), "image", image_path)
