"""The queries about what a batch consists of: images, chunks, failures."""

from typing import Any

from sqlalchemy import BigInteger, Select, func, literal, select, tuple_

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
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.domain.batch import DEFAULT_CHUNK_SIZE, ChunkTally, chunk_ended
from ocrstream_recorder.domain.status import ProcessStatus
from ocrstream_recorder.store.tables import BatchExecution, ChainExecution
from ocrstream_schemas.events import Reason

# What one page of chunks may count, or else a single chunk.
_MOST_IMAGES_COUNTED = 100_000


async def images(
    reading: Reading,
    batch_id: str,
    *,
    status: ProcessStatus | None,
    reason: Reason | None,
    cursor: str | None,
    limit: int,
) -> Page[BatchImage]:
    """Images of a batch by index, those without one last."""
    wanted = _chains_of(batch_id)
    if status is not None:
        wanted = wanted.where(ChainExecution.status == status)
    if reason is not None:
        wanted = wanted.where(ChainExecution.reason == reason)
    indexed = wanted.where(ChainExecution.image_index.is_not(None)).order_by(
        ChainExecution.image_index, ChainExecution.id
    )
    others = wanted.where(ChainExecution.image_index.is_(None)).order_by(ChainExecution.id)
    index, row_id = decode_cursor(cursor, tuple[Integer | None, RowId]) if cursor else (-1, 0)
    rows: list[ChainExecution] = []
    if index is not None:
        place = tuple_(ChainExecution.image_index, ChainExecution.id)
        rows += await reading.session.scalars(
            indexed.where(place > (index, row_id)).limit(limit + 1)
        )
        row_id = 0
    if len(rows) <= limit:
        rows += await reading.session.scalars(
            others.where(ChainExecution.id > row_id).limit(limit + 1 - len(rows))
        )
    return page_of(rows, limit, lambda row: (row.image_index, row.id), _batch_image)


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
                examples=[_batch_image(row) for row in rows],
            )
        )
    return groups


def _chains_of(batch_id: str) -> Select[ChainExecution]:
    return visible_chains().where(ChainExecution.batch_id == batch_id)


def _batch_image(row: ChainExecution) -> BatchImage:
    told: dict[str, Any] = row.input_data if isinstance(row.input_data, dict) else {}

    def said(name: str, kind: type) -> Any:
        # What stands there from before the recorder may be anything.
        return value if isinstance(value := told.get(name), kind) else None

    return BatchImage(
        image_path=said("image_path", str),
        public_path=said("public_path", str),
        chain_id=row.chain_id,
        index=said("index", int) if row.image_index is None else row.image_index,
        run=row.run,
        status=row.status or ProcessStatus.PENDING,
        reason=row.reason,
        error=row.error_message,
        source_name=said("source_name", str),
        page=said("page", int),
    )
