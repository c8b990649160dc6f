"""The queries about what a batch consists of: images, chunks, failures."""

import functools
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB

from ocrstream_recorder.api.answer_cache import DATABASE_STATE
from ocrstream_recorder.api.batch_models import BatchImage, Chunk, FailureGroup, FailureStatus
from ocrstream_recorder.api.chain_views import visible_chains
from ocrstream_recorder.api.cursors import (
    MAX_INTEGER,
    Integer,
    RowId,
    decode_cursor,
    decode_number,
    encode_cursor,
)
from ocrstream_recorder.api.direct_reads import Question
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Asks, Reading
from ocrstream_recorder.api.stored_json import of_kind
from ocrstream_recorder.database.provenance import WARNED, WARNINGS
from ocrstream_recorder.database.tables import BatchExecution, ChainExecution, OcrExecution
from ocrstream_recorder.rules.batch import DEFAULT_CHUNK_SIZE, ChunkTally, chunk_ended
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason, WarningCode

# What one page of chunks may count, or else a single chunk.
_MOST_IMAGES_COUNTED = 100_000


class _Wanted(NamedTuple):
    """What narrows a batch's images, each by an index of its own."""

    status: bool
    reason: bool
    warning: bool
    has_index: bool


# One image after the other: the server would rather join all images that have a warning.
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


@functools.cache
def _page(wanted: _Wanted) -> Question:
    """The rows that follow `(index, row_id)`, or `row_id` among images without an index."""
    query = visible_chains().where(ChainExecution.batch_id == bindparam("batch_id"))
    if wanted.status:
        query = query.where(ChainExecution.status == bindparam("status"))
    if wanted.reason:
        query = query.where(ChainExecution.reason == bindparam("reason"))
    if wanted.warning:
        query = query.where(_warnings.op("?")(cast(bindparam("warning"), Text)))
    index, row_id = ChainExecution.image_index, bindparam("row_id", type_=BigInteger)
    if wanted.has_index:
        place = tuple_(index, ChainExecution.id)
        query = query.where(
            index.is_not(None), place > tuple_(bindparam("index", type_=BigInteger), row_id)
        )
        query = query.order_by(index, ChainExecution.id)
    else:
        query = query.where(index.is_(None), ChainExecution.id > row_id).order_by(ChainExecution.id)
    query = query.limit(bindparam("rows", type_=BigInteger))
    by_value = wanted.status or wanted.reason or wanted.warning
    return Question(query.with_only_columns(*_OF_IMAGE), plan_by_value=by_value)


_OF_IMAGE = (
    ChainExecution.id,
    ChainExecution.chain_id,
    ChainExecution.image_index,
    ChainExecution.run,
    ChainExecution.status,
    ChainExecution.reason,
    ChainExecution.error_message,
    ChainExecution.input_data,
    _warnings.label("warnings"),
    DATABASE_STATE,
)


async def images(
    asks: Asks,
    batch_id: str,
    *,
    status: ProcessStatus | None,
    reason: Reason | None,
    warning: WarningCode | None,
    cursor: str | None,
    limit: int,
) -> Page[BatchImage]:
    """Images of a batch by index, those without one last."""
    index, row_id = decode_cursor(cursor, tuple[Integer | None, RowId]) if cursor else (-1, 0)
    given = {"batch_id": batch_id, "status": status, "reason": reason, "warning": warning}
    narrowed = (status is not None, reason is not None, warning is not None)
    rows: list[Any] = []
    for has_index in (True, False):
        if len(rows) > limit or (has_index and index is None):
            continue
        question = _page(_Wanted(*narrowed, has_index))
        place = {"index": index, "row_id": row_id, "rows": limit + 1 - len(rows)}
        rows += await asks.rows(question, {**given, **place})
        row_id = 0 if has_index else row_id
    return page_of(
        rows,
        limit,
        lambda row: (row.image_index, row.id),
        lambda row: _batch_image(row, row.warnings or []),
    )


async def chunks(
    reading: Reading, batch: BatchExecution, cursor: str | None, limit: int
) -> Page[Chunk]:
    """The chunks of a batch as its row counts them, none if it counts none."""
    size = batch.chunk_size or DEFAULT_CHUNK_SIZE
    total_images = batch.total_images or 0
    # Where the images of a batch from before the recorder stand in it is not known.
    total_chunks = (batch.total_chunks or 0) if batch.run else 0
    first = min(decode_number(cursor, MAX_INTEGER), total_chunks) if cursor else 0
    count = min(limit, max(1, _MOST_IMAGES_COUNTED // size))
    end = min(total_chunks, first + count)
    number = ChainExecution.image_index // literal(size)
    status = ChainExecution.status
    counted = await reading.session.execute(
        select(
            number,
            func.count(),
            func.count().filter(status == ProcessStatus.SUCCESS),
            func.count().filter(status == ProcessStatus.FAILURE),
            func.count().filter(status == ProcessStatus.REVOKED),
        )
        .where(
            ChainExecution.batch_id == batch.batch_id,
            ChainExecution.run > 0,
            ChainExecution.image_index >= literal(first * size, BigInteger),
            ChainExecution.image_index < literal(end * size, BigInteger),
        )
        .group_by(number)
    )
    tallies = {
        number: (seen, completed, failed, revoked)
        for number, seen, completed, failed, revoked in counted
    }

    def chunk(number: int) -> Chunk:
        seen, completed, failed, revoked = tallies.get(number, (0, 0, 0, 0))
        tally = ChunkTally(completed, completed + failed + revoked)
        succeeded, done = chunk_ended(number, tally, size, total_images)
        ended = "failed" if done or batch.ended else "open"
        return Chunk(
            number=number,
            first_index=number * size,
            last_index=min((number + 1) * size, total_images) - 1,
            status="completed" if succeeded else ended,
            seen_images=seen,
            completed_images=completed,
            failed_images=failed,
            revoked_images=revoked,
        )

    items = [chunk(number) for number in range(first, end)]
    return Page(items=items, next_cursor=encode_cursor(end) if end < total_chunks else None)


async def failures(reading: Reading, batch: BatchExecution, examples: int) -> list[FailureGroup]:
    """Why images of a batch were not read, the commonest reason first, each with examples."""
    by_reason: dict[str, int] = batch.failed_by_reason or {}
    told: list[tuple[FailureStatus, str | None, int]] = [
        ("FAILURE", reason, count) for reason, count in by_reason.items()
    ]
    unexplained = (batch.failed_images or 0) - sum(by_reason.values())
    told.append(("FAILURE", None, unexplained))
    told.append(("REVOKED", Reason.REVOKED, batch.revoked_images or 0))
    groups: list[FailureGroup] = []
    for status, reason, count in sorted(told, key=lambda group: -group[2]):
        if count <= 0:
            continue
        chains = _chains_of(batch.batch_id).where(ChainExecution.status == status)
        if status == "FAILURE":
            chains = chains.where(ChainExecution.reason.is_not_distinct_from(reason))
        rows = await reading.session.scalars(
            chains.order_by(ChainExecution.image_index, ChainExecution.id).limit(examples)
        )
        groups.append(
            FailureGroup(
                status=status,
                reason=reason,
                images=count,
                examples=[_batch_image(row, []) for row in rows],
            )
        )
    return groups


def _chains_of(batch_id: str) -> Select[ChainExecution]:
    return visible_chains().where(ChainExecution.batch_id == batch_id)


def _batch_image(row: Any, warnings: list[str]) -> BatchImage:
    told: dict[str, Any] = row.input_data if isinstance(row.input_data, dict) else {}
    return BatchImage(
        image_path=of_kind(told.get("image_path"), str),
        public_path=of_kind(told.get("public_path"), str),
        chain_id=row.chain_id,
        index=of_kind(told.get("index"), int) if row.image_index is None else row.image_index,
        run=row.run,
        status=row.status or ProcessStatus.PENDING,
        reason=row.reason,
        error=row.error_message,
        source_name=of_kind(told.get("source_name"), str),
        page=of_kind(told.get("page"), int),
        warnings=warnings,
    )
