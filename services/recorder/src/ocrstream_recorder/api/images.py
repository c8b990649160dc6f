"""Results of images: the newest one of an image path, and the list of all."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import (
    BigInteger,
    String,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by

from ocrstream_recorder.api.answer_cache import DATABASE_STATE, CachedRoute
from ocrstream_recorder.api.http import NOT_FOUND, ImagePath, Text, found, with_example
from ocrstream_recorder.api.paging import Cursor, Limit, Page, decode_number, page_of
from ocrstream_recorder.api.queries import FilterQuery, GeneralQueries, QuickQueries, SqlQuery
from ocrstream_recorder.api.rows import columns_of, decode_stored, row_to_model
from ocrstream_recorder.database.provenance import ENGINE, WARNED, WARNINGS
from ocrstream_recorder.database.tables import OcrExecution, OcrTextBox
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.rules.provenance import UNKNOWN_ENGINE, is_ordered
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.events import Reason, WarningCode

router = APIRouter(prefix="/v1", tags=["images"])
cached = APIRouter(prefix="/v1", tags=["images"], route_class=CachedRoute)

BoxOrder = Literal["stored", "reading"]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]

_BOX: dict[str, Any] = {
    "text": "Invoice",
    "confidence": 0.98,
    "bbox": [[10, 12], [96, 12], [96, 30], [10, 30]],
}
_WARNING: dict[str, Any] = {
    "code": "low_confidence",
    "detail": "The mean confidence is 0.41; engine tesseract may read it better",
}
_PROVENANCE: dict[str, Any] = {
    "engine": "rapidocr",
    "versions": {"ocrstream": "2", "rapidocr": "3.10.0"},
    "models": {},
    "device": "cpu",
    "boxes": "line",
    "width": 1240,
    "height": 1754,
    "turn": 90,
    "skew": 0.0,
    "turned_lines": 0,
    "tiles": 1,
    "shrink": 1.0,
    "ordered": True,
    "warnings": [_WARNING],
    "timings_s": {"recognise": 1.25},
    "reused": False,
    "attempt": 1,
}
_RESULT: dict[str, Any] = {
    "image_path": "file:///data/a.png",
    "public_path": None,
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "run": 1,
    "status": "success",
    "reason": None,
    "error": None,
    "submitted_at": "2026-05-01T12:00:00Z",
    "created_at": "2026-05-01T12:00:03Z",
    "updated_at": "2026-05-01T12:00:03Z",
}


@dataclass(slots=True)
class TextBox:
    """A piece of text; `bbox` is its polygon in pixels of the original image."""

    __pydantic_config__ = with_example(**_BOX)

    text: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[list[Point], Field(min_length=4, max_length=4)]


class ResultWarning(BaseModel):
    """Why a successful result may be wrong; newer workers may give further codes."""

    model_config = with_example(**_WARNING)

    code: str
    detail: str
    """What the worker saw, and what may help."""


class Provenance(BaseModel):
    """The engine and attempt that read an image, and what the worker did to the page."""

    model_config = with_example(**_PROVENANCE)

    engine: str
    versions: dict[str, str] = {}
    """Of the engine and its libraries; `ocrstream` is that of the worker's own processing."""
    models: dict[str, str] = {}
    """SHA-256 of the model files by `role/file name`."""
    device: str = "cpu"
    boxes: Literal["line", "word"] = "line"
    width: int | None = None
    """Of the image in pixels, like `height`."""
    height: int | None = None
    turn: int = 0
    """The degrees, clockwise, by which the worker turned the page."""
    skew: float = 0.0
    """The degrees by which its lines rise to the right after that."""
    turned_lines: int = 0
    """How many lines the worker read upside down relative to the page."""
    tiles: int = 1
    """The number of overlapping tiles in which the engine detected text."""
    shrink: float = 1.0
    """How many pixels of the page, along a side, became one for text detection; at least 1."""
    ordered: bool = False
    """Whether the worker stored the boxes in reading order."""
    warnings: list[ResultWarning] = []
    timings_s: dict[str, float] = {}
    reused: bool = False
    """Whether the worker reused an earlier result of a file with the same bytes."""
    attempt: int


class _Result(BaseModel):
    image_path: str
    public_path: str | None
    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Image(_Result):
    """The newest result of an image path, with its text boxes."""

    model_config = with_example(**_RESULT, provenance=_PROVENANCE, text_boxes=[_BOX])

    provenance: Provenance | None
    """Null for a result from before provenance was recorded."""
    text_boxes: list[TextBox]


class OcrExecutionItem(_Result):
    """The newest result of an image path, with the number of its text boxes."""

    model_config = with_example(
        **_RESULT,
        engine="rapidocr",
        warnings=["low_confidence"],
        text_box_count=30,
        mean_confidence=0.93,
    )

    engine: str | None
    """Null if the result has no provenance."""
    warnings: list[str]
    """Codes of its warnings."""
    text_box_count: int
    mean_confidence: Annotated[float, Field(ge=0, le=1)] | None
    """Of its text boxes; null if it has none."""


class Region(NamedTuple):
    """A rectangle in pixels of the original image, with its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, polygon: list[list[float]]) -> bool:
        """Whether the polygon's bounding box has a point in common with it."""
        xs, ys = zip(*polygon, strict=True)
        return (
            min(xs) <= self.right
            and max(xs) >= self.left
            and min(ys) <= self.bottom
            and max(ys) >= self.top
        )


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
    image_path: ImagePath,
    queries: QuickQueries,
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
            description="`reading`: in reading order; `stored`: as the database stores them, which"
            " differs for results from before workers ordered them"
        ),
    ] = "reading",
) -> Image:
    """The newest result of an image path, with its text boxes."""
    row = found(await queries.first(_IMAGE, {"image_path": image_path}), "image", image_path)
    edges = None if region is None else Region(*map(float, region.split(",")))
    polygons = map(decode_stored, row.bboxes or ())
    stored = [
        TextBox(text=text, confidence=confidence, bbox=polygon)
        for text, confidence, polygon in zip(
            row.texts or (), row.confidences or (), polygons, strict=True
        )
    ]
    ordered = order == "stored" or is_ordered(row.provenance)
    boxes = [
        box
        for box in boxes_in_order(
            stored, lambda box: box.bbox, lambda box: box.text, ordered=ordered
        )
        if box.confidence >= min_confidence and (edges is None or edges.touches(box.bbox))
    ]
    return row_to_model(Image, row, OcrExecution, queries.zone, text_boxes=boxes)


@router.get("/ocr-executions")
async def read_ocr_executions(
    queries: GeneralQueries,
    *,
    chain_id: Text = None,
    status: ImageStatus | None = None,
    reason: Reason | None = None,
    engine: Annotated[
        Text, Query(description="Its engine; `unknown`: results without provenance")
    ] = None,
    warning: Annotated[
        WarningCode | None, Query(description="Only results that carry this warning")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[OcrExecutionItem]:
    """The newest results of image paths, the path whose first result came last first."""
    parameters = {
        "chain_id": chain_id,
        "status": status,
        "reason": reason,
        "engine": engine,
        "warning": warning,
        "before_id": decode_number(cursor),
        "rows": limit + 1,
    }
    rows = await queries.rows(_EXECUTIONS, parameters)
    counted = await queries.rows(_BOX_COUNTS, {"ids": [row.id for row in rows]})
    boxes = {row.ocr_execution_id: (row.boxes, row.mean) for row in counted}

    def item(row: Any) -> OcrExecutionItem:
        count, mean = boxes.get(row.id, (0, None))
        return row_to_model(
            OcrExecutionItem,
            row,
            OcrExecution,
            queries.zone,
            engine=None if row.engine == UNKNOWN_ENGINE else row.engine,
            warnings=row.warnings or [],
            text_box_count=count,
            mean_confidence=mean,
        )

    return page_of(rows, limit, lambda row: row.id, item)


_boxes = (
    select(
        func.array_agg(aggregate_order_by(OcrTextBox.text, OcrTextBox.id)).label("texts"),
        func.array_agg(aggregate_order_by(OcrTextBox.confidence, OcrTextBox.id)).label(
            "confidences"
        ),
        func.array_agg(aggregate_order_by(cast(OcrTextBox.bbox, SqlText), OcrTextBox.id)).label(
            "bboxes"
        ),
    )
    .where(OcrTextBox.ocr_execution_id == OcrExecution.id)
    .lateral()
)
# One statement, so that the boxes are those of the result in the row.
_IMAGE = SqlQuery(
    select(
        *columns_of(OcrExecution, Image, without={"text_boxes"}),
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
_COUNTED = {"engine", "warnings", "text_box_count", "mean_confidence"}
_EXECUTIONS = FilterQuery(
    select(
        OcrExecution.id,
        *columns_of(OcrExecution, OcrExecutionItem, without=_COUNTED),
        _engine.label("engine"),
        _warnings.label("warnings"),
    )
    .where(OcrExecution.image_path.is_not(None))
    .order_by(OcrExecution.id.desc())
    .limit(bindparam("rows", type_=BigInteger)),
    {
        "chain_id": OcrExecution.chain_id == bindparam("chain_id"),
        "status": OcrExecution.status == bindparam("status"),
        "reason": OcrExecution.reason == bindparam("reason"),
        "engine": _engine == bindparam("engine"),
        "warning": and_(
            literal_column(WARNED), _warnings.op("?")(cast(bindparam("warning"), SqlText))
        ),
        "before_id": OcrExecution.id < bindparam("before_id"),
    },
)
_BOX_COUNTS = SqlQuery(
    select(
        OcrTextBox.ocr_execution_id,
        func.count().label("boxes"),
        func.avg(OcrTextBox.confidence).label("mean"),
    )
    .where(OcrTextBox.ocr_execution_id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    .group_by(OcrTextBox.ocr_execution_id)
)
