"""Result versions: the results of images before and after each reprocessing.

They use sessions of the ORM instead of `queries.py`: an answer needs whole rows of four tables,
with the text boxes of each result.
"""

from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy import Select, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import aliased

from ocrstream_recorder.api import reprocessings
from ocrstream_recorder.api.databases import open_session
from ocrstream_recorder.api.http import ImagePath, Key
from ocrstream_recorder.api.images import Provenance, TextBox
from ocrstream_recorder.api.paging import Cursor, Page, decode_cursor, encode_cursor
from ocrstream_recorder.database.tables import (
    BatchReprocessing,
    ChainExecution,
    KeptResultVersion,
    OcrExecution,
)
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.rules.provenance import is_ordered

router = APIRouter(prefix="/v1", tags=["reprocessings"])

# Each item has two results with all their boxes.
Limit = Annotated[int, Query(ge=1, le=200, description="The greatest number of items to answer")]


class ResultVersion(BaseModel):
    """A whole result of an image."""

    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: datetime | None
    provenance: Provenance | None
    text_boxes: list[TextBox]


class ResultVersions(BaseModel):
    """The result of an image before a reprocessing, and the result after it."""

    image_path: str
    index: int | None
    source_name: str | None
    page: int | None
    request_id: str
    requested_at: datetime
    old: ResultVersion
    new: ResultVersion | None
    """Null while no worker has reprocessed the image."""


_Rows = Select[KeptResultVersion, BatchReprocessing, ChainExecution | None, OcrExecution | None]


class ResultVersionRows:
    """Reads rows, each call in a session of its own."""

    def __init__(self, engine: AsyncEngine, zone: DatabaseZone) -> None:
        self._engine = engine
        self._zone = zone

    async def of_batch(self, batch_id: str, cursor: str | None, limit: int) -> Page[ResultVersions]:
        """The latest reprocessing of each image of the batch that has one."""
        later = aliased(KeptResultVersion)
        query = (
            _result_versions()
            .where(
                KeptResultVersion.batch_id == batch_id,
                KeptResultVersion.id > (decode_cursor(cursor, int) if cursor else 0),
                ~exists().where(
                    later.image_path == KeptResultVersion.image_path,
                    later.id > KeptResultVersion.id,
                ),
            )
            .order_by(KeptResultVersion.id)
            .limit(limit + 1)
        )
        async with open_session(self._engine) as session:
            rows = (await session.execute(query)).all()
        following = encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None
        items = [
            self._pair(old, reprocessing, chain, current)
            for old, reprocessing, chain, current in rows[:limit]
        ]
        return Page(items=items, next_cursor=following)

    async def of_image(
        self, image_path: str, cursor: str | None, limit: int
    ) -> Page[ResultVersions]:
        """All reprocessings of the image, the latest first."""
        query = (
            _result_versions()
            .where(KeptResultVersion.image_path == image_path)
            .order_by(KeptResultVersion.id.desc())
            .limit(limit + 2)
        )
        # The result after the first reprocessing of a page is the last one of the page before.
        if cursor is not None:
            query = query.where(KeptResultVersion.id <= decode_cursor(cursor, int))
        async with open_session(self._engine) as session:
            rows = (await session.execute(query)).all()
        newer: list[KeptResultVersion | OcrExecution | None] = [row[0] for row in rows]
        if cursor is None:
            newer[:0] = [current for _, _, _, current in rows[:1]]
        shown = rows if cursor is None else rows[1:]
        following = encode_cursor(shown[limit - 1][0].id) if len(shown) > limit else None
        items = [
            self._pair(old, reprocessing, chain, new)
            for (old, reprocessing, chain, _), new in zip(shown[:limit], newer, strict=False)
        ]
        return Page(items=items, next_cursor=following)

    def _pair(
        self,
        old: KeptResultVersion,
        reprocessing: BatchReprocessing,
        chain: ChainExecution | None,
        new: KeptResultVersion | OcrExecution | None,
    ) -> ResultVersions:
        data: Any = {} if chain is None else chain.input_data
        # The path still holds the result that was to be replaced.
        unchanged = new is not None and (
            (old.chain_id, old.run, old.submitted_at) == (new.chain_id, new.run, new.submitted_at)
        )
        return ResultVersions(
            image_path=old.image_path,
            index=old.image_index,
            source_name=data.get("source_name"),
            page=data.get("page"),
            request_id=old.request_id,
            requested_at=reprocessing.requested_at,
            old=self._result_version(old),
            new=None if unchanged or new is None else self._result_version(new),
        )

    def _result_version(self, row: KeptResultVersion | OcrExecution) -> ResultVersion:
        if isinstance(row, KeptResultVersion):
            boxes = [TextBox(**box) for box in row.boxes]
        else:
            boxes = [
                TextBox(text=box.text, confidence=box.confidence, bbox=box.bbox)
                for box in row.text_boxes
            ]
        return ResultVersion(
            chain_id=row.chain_id,
            run=row.run,
            status=row.status,
            reason=row.reason,
            error=row.error,
            submitted_at=row.submitted_at and self._zone.to_utc(row.submitted_at),
            provenance=row.provenance and Provenance(**row.provenance),
            text_boxes=boxes_in_order(
                boxes,
                lambda box: box.bbox,
                lambda box: box.text,
                ordered=is_ordered(row.provenance),
            ),
        )


def _result_versions() -> _Rows:
    """Rows of a kept result, its reprocessing, the chain of that, and the path's result."""
    found = (
        select(KeptResultVersion, BatchReprocessing, ChainExecution, OcrExecution)
        .join(BatchReprocessing, BatchReprocessing.request_id == KeptResultVersion.request_id)
        .outerjoin(
            ChainExecution,
            and_(
                ChainExecution.chain_id == KeptResultVersion.next_chain_id, ChainExecution.run > 0
            ),
        )
        .outerjoin(OcrExecution, OcrExecution.image_path == KeptResultVersion.image_path)
    )
    return cast("_Rows", found)


def _rows(request: Request) -> ResultVersionRows:
    return ResultVersionRows(request.app.state.database.engine, request.app.state.zone)


Rows = Annotated[ResultVersionRows, Depends(_rows)]


@router.get("/batches/{batch_id:segment}/result-versions", responses=reprocessings.NO_BATCH)
async def read_batch_result_versions(
    batch_id: Key,
    rows: Rows,
    reprocessing_rows: reprocessings.Rows,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ResultVersions]:
    """The results of a batch's images before and after the latest reprocessing of each."""
    page = await rows.of_batch(batch_id, cursor, limit)
    if not page.items:
        await reprocessing_rows.check_batch(batch_id)
    return page


@router.get("/result-versions")
async def read_image_result_versions(
    image_path: ImagePath, rows: Rows, cursor: Cursor = None, limit: Limit = 50
) -> Page[ResultVersions]:
    """The results of an image before and after each reprocessing, the latest first."""
    return await rows.of_image(image_path, cursor, limit)
