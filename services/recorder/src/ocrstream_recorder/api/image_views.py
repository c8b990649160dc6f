"""The queries behind the paths about results of images."""

from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    String,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import defer, raiseload

from ocrstream_recorder.api.answer_cache import DATABASE_STATE
from ocrstream_recorder.api.cursors import decode_number
from ocrstream_recorder.api.direct_reads import Question
from ocrstream_recorder.api.image_models import Image, OcrExecutionItem, TextBox
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Asks, Reading, Shown
from ocrstream_recorder.api.stored_json import decode_stored
from ocrstream_recorder.database.provenance import ENGINE, WARNED, WARNINGS
from ocrstream_recorder.database.tables import OcrExecution, OcrTextBox
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.rules.provenance import UNKNOWN_ENGINE, is_ordered
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.events import Reason, WarningCode

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


_boxes = (
    select(
        func.array_agg(aggregate_order_by(OcrTextBox.text, OcrTextBox.id)).label("texts"),
        func.array_agg(aggregate_order_by(OcrTextBox.confidence, OcrTextBox.id)).label(
            "confidences"
        ),
        func.array_agg(aggregate_order_by(cast(OcrTextBox.bbox, Text), OcrTextBox.id)).label(
            "bboxes"
        ),
    )
    .where(OcrTextBox.ocr_execution_id == OcrExecution.id)
    .lateral()
)
# One statement, so that boxes are those of the result that the row tells of.
_IMAGE = Question(
    select(
        *(getattr(OcrExecution, name) for name in Image.model_fields if name != "text_boxes"),
        _boxes.c.texts,
        _boxes.c.confidences,
        _boxes.c.bboxes,
        DATABASE_STATE,
    )
    .join(_boxes, true())
    .where(OcrExecution.image_path == bindparam("image_path"))
)


_engine = literal_column(ENGINE, String)
_warnings = literal_column(WARNINGS, JSONB)


async def image(
    asks: Asks,
    image_path: str,
    *,
    min_confidence: float,
    region: Region | None,
    order: BoxOrder,
) -> Image | None:
    """The result that holds the path, or None if there is none yet."""
    rows = await asks.rows(_IMAGE, {"image_path": image_path})
    if not rows:
        return None
    (row,) = rows
    polygons = map(decode_stored, row.bboxes or ())
    found = zip(row.texts or (), row.confidences or (), polygons, strict=True)
    stored = [
        TextBox(text=text, confidence=confidence, bbox=polygon)
        for text, confidence, polygon in found
    ]
    ordered = order == "stored" or is_ordered(row.provenance)
    boxes = [
        box
        for box in boxes_in_order(
            stored, lambda box: box.bbox, lambda box: box.text, ordered=ordered
        )
        if box.confidence >= min_confidence and (region is None or region.touches(box.bbox))
    ]
    return Shown(asks.zone).view(Image, row, OcrExecution, text_boxes=boxes)


async def executions(
    reading: Reading,
    *,
    chain_id: str | None,
    status: ImageStatus | None,
    reason: Reason | None,
    engine: str | None,
    warning: WarningCode | None,
    cursor: str | None,
    limit: int,
) -> Page[OcrExecutionItem]:
    """Results, those of the paths heard of last first."""
    page = select(OcrExecution, _engine, _warnings).order_by(OcrExecution.id.desc())
    page = page.where(OcrExecution.image_path.is_not(None)).limit(limit + 1)
    for column, value in (
        (OcrExecution.chain_id, chain_id),
        (OcrExecution.status, status),
        (OcrExecution.reason, reason),
    ):
        if value is not None:
            page = page.where(column == value)
    if engine is not None:
        page = page.where(_engine == literal(engine))
    if warning is not None:
        page = page.where(literal_column(WARNED), _warnings.op("?")(cast(literal(warning), Text)))
    if cursor is not None:
        page = page.where(OcrExecution.id < decode_number(cursor))
    page = page.options(raiseload(OcrExecution.text_boxes), defer(OcrExecution.provenance))
    rows = (await reading.session.execute(page)).all()
    counted = await reading.session.execute(
        select(OcrTextBox.ocr_execution_id, func.count(), func.avg(OcrTextBox.confidence))
        .where(OcrTextBox.ocr_execution_id.in_([row.id for row, _, _ in rows]))
        .group_by(OcrTextBox.ocr_execution_id)
    )
    boxes = {row_id: (count, mean) for row_id, count, mean in counted}

    def item(found: Any) -> OcrExecutionItem:
        row, engine, warnings = found
        count, mean = boxes.get(row.id, (0, None))
        return reading.view(
            OcrExecutionItem,
            row,
            engine=None if engine == UNKNOWN_ENGINE else engine,
            warnings=warnings or [],
            text_box_count=count,
            mean_confidence=mean,
        )

    return page_of(rows, limit, lambda found: found[0].id, item)
