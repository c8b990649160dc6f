"""The queries behind the paths about results of images."""

from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import raiseload

from ocrstream_recorder.api.cursors import decode_number
from ocrstream_recorder.api.image_models import Image, OcrExecutionItem, TextBox
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.domain.reading_order import in_reading_order
from ocrstream_recorder.domain.status import ImageStatus
from ocrstream_recorder.store.tables import OcrExecution, OcrTextBox
from ocrstream_schemas.events import Reason

BoxOrder = Literal["stored", "reading"]


class Region(NamedTuple):
    """A rectangle in pixels of the original image, its edges included."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, polygon: list[list[float]]) -> bool:
        """Whether the polygon's upright bounds have a point in common with it."""
        xs, ys = zip(*polygon, strict=True)
        return (
            min(xs) <= self.right
            and max(xs) >= self.left
            and min(ys) <= self.bottom
            and max(ys) >= self.top
        )


async def image(
    reading: Reading,
    image_path: str,
    *,
    min_confidence: float,
    region: Region | None,
    order: BoxOrder,
) -> Image | None:
    """The result that holds the path, or None if there is none yet."""
    row = await reading.session.scalar(
        select(OcrExecution).where(OcrExecution.image_path == image_path)
    )
    if row is None:
        return None
    boxes = [
        TextBox(text=box.text, confidence=box.confidence, bbox=box.bbox)
        for box in row.text_boxes
        if box.confidence >= min_confidence and (region is None or region.touches(box.bbox))
    ]
    if order == "reading":
        boxes = in_reading_order(boxes, lambda box: box.bbox)
    return reading.view(Image, row, text_boxes=boxes)


async def executions(
    reading: Reading,
    *,
    chain_id: str | None,
    status: ImageStatus | None,
    reason: Reason | None,
    cursor: str | None,
    limit: int,
) -> Page[OcrExecutionItem]:
    """Results, those of the paths heard of last first."""
    page = select(OcrExecution).order_by(OcrExecution.id.desc()).limit(limit + 1)
    for column, value in (
        (OcrExecution.chain_id, chain_id),
        (OcrExecution.status, status),
        (OcrExecution.reason, reason),
    ):
        if value is not None:
            page = page.where(column == value)
    if cursor is not None:
        page = page.where(OcrExecution.id < decode_number(cursor))
    rows = (await reading.session.scalars(page.options(raiseload(OcrExecution.text_boxes)))).all()
    counted = await reading.session.execute(
        select(OcrTextBox.ocr_execution_id, func.count(), func.avg(OcrTextBox.confidence))
        .where(OcrTextBox.ocr_execution_id.in_([row.id for row in rows]))
        .group_by(OcrTextBox.ocr_execution_id)
    )
    boxes = {row_id: (count, mean) for row_id, count, mean in counted}

    def item(row: OcrExecution) -> OcrExecutionItem:
        count, mean = boxes.get(row.id, (0, None))
        return reading.view(OcrExecutionItem, row, text_box_count=count, mean_confidence=mean)

    return page_of(rows, limit, lambda row: row.id, item)
