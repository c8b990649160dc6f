"""What a batch consists of: its images, its chunks, and the reasons why images failed."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import BigInteger, Text, bindparam, cast, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB

from ocrstream_recorder.api import batches
from ocrstream_recorder.api.answer_cache import DATABASE_STATE, CachedRoute
from ocrstream_recorder.api.chains import visible_chains
from ocrstream_recorder.api.http import NOT_FOUND, Key, found, with_example
from ocrstream_recorder.api.http import Text as TextParameter
from ocrstream_recorder.api.paging import (
    MAX_INTEGER,
    Cursor,
    Integer,
    Limit,
    Page,
    RowId,
    decode_cursor,
    decode_number,
    encode_cursor,
    page_of,
)
from ocrstream_recorder.api.queries import (
    FilterQuery,
    GeneralQueries,
    Queries,
    QuickQueries,
    SqlQuery,
)
from ocrstream_recorder.api.rows import of_kind
from ocrstream_recorder.database.provenance import WARNED, WARNINGS
from ocrstream_recorder.database.tables import BatchExecution, ChainExecution, OcrExecution
from ocrstream_recorder.rules.batch import DEFAULT_CHUNK_SIZE, ChunkTally, chunk_ended
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason, WarningCode

router = APIRouter(prefix="/v1/batches", tags=["batches"])
cached = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=CachedRoute)

ChunkStatus = Literal["open", "completed", "failed"]
FailureStatus = Literal["FAILURE", "REVOKED"]


FAILED_IMAGE: dict[str, Any] = {
    "image_path": "file:///data/a.png",
    "public_path": None,
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "index": 3,
    "run": 1,
    "status": "FAILURE",
    "reason": "no_text",
    "error": "No text boxes extracted",
    "source_name": "a.png",
    "page": None,
    "warnings": [],
}


@dataclass(slots=True)
class BatchImage:
    """An image of a batch and its outcome."""

    __pydantic_config__ = with_example(**FAILED_IMAGE)

    image_path: str | None
    public_path: str | None
    chain_id: str
    index: int | None
    run: int
    status: str
    reason: str | None
    error: str | None
    source_name: str | None
    page: int | None
    warnings: list[str]
    """Codes of the warnings of its result, if that result holds its path."""


class Chunk(BaseModel):
    """`chunk_size` images of a batch with consecutive indexes."""

    model_config = with_example(
        number=1,
        first_index=10,
        last_index=19,
        status="failed",
        seen_images=10,
        completed_images=9,
        failed_images=1,
        revoked_images=0,
    )

    number: int
    first_index: int
    last_index: int
    status: ChunkStatus
    """`completed`: all its images succeeded; `failed`: all are done, and one did not succeed."""
    seen_images: int
    completed_images: int
    failed_images: int
    revoked_images: int


class FailureGroup(BaseModel):
    """Images of a batch that failed for the same reason."""

    model_config = with_example(
        status="FAILURE", reason="no_text", images=1, examples=[FAILED_IMAGE]
    )

    status: FailureStatus
    reason: str | None
    images: int
    """How many; in a cancelled batch, an image that neither succeeded nor failed is revoked."""
    examples: list[BatchImage]


WarningFilter = Annotated[
    WarningCode | None, Query(description="Only images whose result carries this warning")
]
NamePart = Annotated[
    TextParameter,
    Query(
        description="Only images whose name holds this text, in any case: the name of the file that"
        " the user submitted, else the last part of the path"
    ),
]


class ImageFilters(NamedTuple):
    """Which images of a batch to choose; None chooses all."""

    status: ProcessStatus | None = None
    reason: Reason | None = None
    warning: WarningCode | None = None
    name: str | None = None


ALL_IMAGES = ImageFilters()


@cached.get("/{batch_id:segment}/images", responses=NOT_FOUND)
async def read_batch_images(
    batch_id: Key,
    quick_queries: QuickQueries,
    general_queries: GeneralQueries,
    *,
    status: ProcessStatus | None = None,
    reason: Reason | None = None,
    warning: WarningFilter = None,
    name: NamePart = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[BatchImage]:
    """A batch's images by index, each with its outcome."""
    filters = ImageFilters(status, reason, warning, name)
    # Reading the names of a large batch must not hold up the paths that are asked most.
    queries = quick_queries if name is None else general_queries
    page = await images(queries, batch_id, filters, cursor=cursor, limit=limit)
    if not page.items:
        found(await batches.batch(queries, batch_id), "batch", batch_id)
    return page


@router.get("/{batch_id:segment}/chunks", responses=NOT_FOUND)
async def read_batch_chunks(
    batch_id: Key, queries: GeneralQueries, cursor: Cursor = None, limit: Limit = 100
) -> Page[Chunk]:
    """A batch's chunks; none while its total is unknown, or if an image has no index.

    Where chunks are large, a page may hold fewer than `limit`. A batch from before the recorder
    has none.
    """
    batch = found(await queries.first(_COUNTS, {"batch_id": batch_id}), "batch", batch_id)
    size = batch.chunk_size or DEFAULT_CHUNK_SIZE
    # The positions of images in a batch from before the recorder are unknown.
    total_chunks = (batch.total_chunks or 0) if batch.run else 0
    first = min(decode_number(cursor, MAX_INTEGER) or 0, total_chunks)
    end = min(total_chunks, first + min(limit, max(1, _MAX_COUNTED_IMAGES // size)))
    tallies = await _chunk_tallies(queries, batch_id, size, range(first, end))
    return Page(
        items=[
            _chunk(number, tallies.get(number, _NO_IMAGES), batch) for number in range(first, end)
        ],
        next_cursor=encode_cursor(end) if end < total_chunks else None,
    )


@router.get("/{batch_id:segment}/failures", responses=NOT_FOUND)
async def read_batch_failures(
    batch_id: Key,
    queries: GeneralQueries,
    examples: Annotated[
        int, Query(ge=0, le=20, description="The greatest number of images to show of each reason")
    ] = 3,
) -> Page[FailureGroup]:
    """The reasons why images of a batch failed, the commonest first; always one page.

    `…/images?reason=` lists all images of a reason.
    """
    batch = found(await queries.first(_COUNTS, {"batch_id": batch_id}), "batch", batch_id)
    by_reason: dict[str, int] = batch.failed_by_reason or {}
    counts: list[tuple[FailureStatus, str | None, int]] = [
        ("FAILURE", reason, count) for reason, count in by_reason.items()
    ]
    without_reason = (batch.failed_images or 0) - sum(by_reason.values())
    counts.append(("FAILURE", None, without_reason))
    counts.append(("REVOKED", Reason.REVOKED, batch.revoked_images or 0))
    groups: list[FailureGroup] = []
    for status, reason, count in sorted(counts, key=lambda group: -group[2]):
        if count <= 0:
            continue
        rows = await queries.rows(
            _REVOKED_EXAMPLES if status == "REVOKED" else _FAILED_EXAMPLES,
            {"batch_id": batch_id, "reason": reason, "rows": examples},
        )
        groups.append(
            FailureGroup(
                status=status,
                reason=reason,
                images=count,
                examples=[batch_image(row, []) for row in rows],
            )
        )
    return Page(items=groups, next_cursor=None)


# ---- images --------------------------------------------------------------------------------------


async def images(
    queries: Queries,
    batch_id: str,
    filters: ImageFilters = ALL_IMAGES,
    *,
    cursor: str | None,
    limit: int,
) -> Page[BatchImage]:
    """Images of a batch by index, those without an index last."""
    index, row_id = decode_cursor(cursor, tuple[Integer | None, RowId]) if cursor else (-1, 0)
    chosen = {"batch_id": batch_id, **filters._asdict()}
    rows: list[Any] = []
    for query in (_INDEXED_IMAGES, _UNINDEXED_IMAGES):
        indexed = query is _INDEXED_IMAGES
        if len(rows) > limit or (indexed and index is None):
            continue
        position = {"index": index, "row_id": row_id, "rows": limit + 1 - len(rows)}
        rows += await queries.rows(query, {**chosen, **position})
        row_id = 0 if indexed else row_id
    return page_of(
        rows,
        limit,
        lambda row: (row.image_index, row.id),
        lambda row: batch_image(row, row.warnings or []),
    )


# A subquery for each image: the planner would rather join all images that have a warning.
_warnings = (
    select(literal_column(WARNINGS, JSONB))
    .select_from(OcrExecution)
    .where(
        literal_column(WARNED),
        OcrExecution.chain_id == ChainExecution.chain_id,
        OcrExecution.image_path == ChainExecution.input_data["image_path"].as_string(),
    )
    .correlate(ChainExecution)
    .scalar_subquery()
)
_IMAGE_COLUMNS = (
    ChainExecution.id,
    ChainExecution.chain_id,
    ChainExecution.image_index,
    ChainExecution.run,
    ChainExecution.status,
    ChainExecution.reason,
    ChainExecution.error_message,
    ChainExecution.input_data,
)
_index = ChainExecution.image_index
_row_id = bindparam("row_id", type_=BigInteger)
IMAGES_OF_BATCH = (
    visible_chains(*_IMAGE_COLUMNS, _warnings.label("warnings"), DATABASE_STATE)
    .where(ChainExecution.batch_id == bindparam("batch_id"))
    .limit(bindparam("rows", type_=BigInteger))
)
_path = ChainExecution.input_data["image_path"].as_string()
_name = func.coalesce(
    ChainExecution.input_data["source_name"].as_string(), func.substring(_path, "[^/]*$")
)
# An index of its own serves each condition but `name`, which reads all images of the batch.
IMAGE_CONDITIONS = {
    "status": ChainExecution.status == bindparam("status"),
    "reason": ChainExecution.reason == bindparam("reason"),
    "warning": _warnings.op("?")(cast(bindparam("warning"), Text)),
    "name": func.strpos(func.lower(_name), func.lower(bindparam("name"))) > 0,
}
_INDEXED_IMAGES = FilterQuery(
    IMAGES_OF_BATCH.where(
        _index.is_not(None),
        tuple_(_index, ChainExecution.id) > tuple_(bindparam("index", type_=BigInteger), _row_id),
    ).order_by(_index, ChainExecution.id),
    IMAGE_CONDITIONS,
    plan_by_value=True,
)
_UNINDEXED_IMAGES = FilterQuery(
    IMAGES_OF_BATCH.where(_index.is_(None), ChainExecution.id > _row_id).order_by(
        ChainExecution.id
    ),
    IMAGE_CONDITIONS,
    plan_by_value=True,
)


def batch_image(row: Any, warnings: list[str]) -> BatchImage:
    """The image of a row with the columns of `IMAGES_OF_BATCH`."""
    data: dict[str, Any] = row.input_data if isinstance(row.input_data, dict) else {}
    return BatchImage(
        image_path=of_kind(data.get("image_path"), str),
        public_path=of_kind(data.get("public_path"), str),
        chain_id=row.chain_id,
        index=of_kind(data.get("index"), int) if row.image_index is None else row.image_index,
        run=row.run,
        status=row.status or ProcessStatus.PENDING,
        reason=row.reason,
        error=row.error_message,
        source_name=of_kind(data.get("source_name"), str),
        page=of_kind(data.get("page"), int),
        warnings=warnings,
    )


# ---- chunks and failures -------------------------------------------------------------------------

# One page of chunks counts so many images at most, or those of a single chunk.
_MAX_COUNTED_IMAGES = 100_000
_NO_IMAGES = (0, 0, 0, 0)

_COUNTS = SqlQuery(
    select(
        BatchExecution.chunk_size,
        BatchExecution.total_images,
        BatchExecution.total_chunks,
        BatchExecution.run,
        BatchExecution.ended,
        BatchExecution.failed_images,
        BatchExecution.failed_by_reason,
        BatchExecution.revoked_images,
    ).where(BatchExecution.batch_id == bindparam("batch_id"))
)
_chunk_number = (_index // bindparam("size", type_=BigInteger)).label("number")
_TALLIES = SqlQuery(
    select(
        _chunk_number,
        func.count().label("seen"),
        *(
            func.count().filter(ChainExecution.status == status).label(name)
            for name, status in (
                ("completed", ProcessStatus.SUCCESS),
                ("failed", ProcessStatus.FAILURE),
                ("revoked", ProcessStatus.REVOKED),
            )
        ),
    )
    .where(
        ChainExecution.batch_id == bindparam("batch_id"),
        ChainExecution.run > 0,
        _index >= bindparam("first_index", type_=BigInteger),
        _index < bindparam("end_index", type_=BigInteger),
    )
    .group_by(_chunk_number)
)
_examples = (
    visible_chains(*_IMAGE_COLUMNS)
    .where(ChainExecution.batch_id == bindparam("batch_id"))
    .order_by(_index, ChainExecution.id)
    .limit(bindparam("rows", type_=BigInteger))
)
_REVOKED_EXAMPLES = SqlQuery(_examples.where(ChainExecution.status == ProcessStatus.REVOKED))
_FAILED_EXAMPLES = SqlQuery(
    _examples.where(
        ChainExecution.status == ProcessStatus.FAILURE,
        ChainExecution.reason.is_not_distinct_from(bindparam("reason")),
    )
)


async def _chunk_tallies(
    queries: Queries, batch_id: str, size: int, numbers: range
) -> dict[int, tuple[int, int, int, int]]:
    """Images seen, completed, failed and revoked, by the number of the chunk."""
    parameters = {
        "batch_id": batch_id,
        "size": size,
        "first_index": numbers.start * size,
        "end_index": numbers.stop * size,
    }
    rows = await queries.rows(_TALLIES, parameters)
    return {row.number: (row.seen, row.completed, row.failed, row.revoked) for row in rows}


def _chunk(number: int, tally: tuple[int, int, int, int], batch: Any) -> Chunk:
    seen, completed, failed, revoked = tally
    size, total_images = batch.chunk_size or DEFAULT_CHUNK_SIZE, batch.total_images or 0
    done = completed + failed + revoked
    succeeded, ended = chunk_ended(number, ChunkTally(completed, done), size, total_images)
    unsuccessful: ChunkStatus = "failed" if ended or batch.ended else "open"
    return Chunk(
        number=number,
        first_index=number * size,
        last_index=min((number + 1) * size, total_images) - 1,
        status="completed" if succeeded else unsuccessful,
        seen_images=seen,
        completed_images=completed,
        failed_images=failed,
        revoked_images=revoked,
    )
