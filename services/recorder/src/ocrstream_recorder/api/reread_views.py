"""The queries behind rereads and readings."""

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased

from ocrstream_recorder.api.cursors import decode_cursor, encode_cursor
from ocrstream_recorder.api.image_models import Provenance, TextBox
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.reread_models import (
    Reading,
    Readings,
    Reread,
    RereadRequest,
    Selection,
    SelectionCount,
)
from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.database.tables import (
    BatchExecution,
    BatchReread,
    ChainExecution,
    KeptReading,
    OcrExecution,
)
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.reprocessing import rereads
from ocrstream_recorder.reprocessing.rereads import Statement
from ocrstream_recorder.reprocessing.rules import parse_condition
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.rules.provenance import is_ordered
from ocrstream_recorder.rules.status import ProcessStatus

_Rows = Select[KeptReading, BatchReread, ChainExecution | None, OcrExecution | None]


class RereadViews:
    """Reads rows, and notes them through `writing_engine`, each call in a session of its own."""

    def __init__(
        self, engine: AsyncEngine, writing_engine: AsyncEngine, zone: DatabaseZone
    ) -> None:
        self._engine = engine
        self._writing_engine = writing_engine
        self._zone = zone

    async def batch_is_known(self, batch_id: str) -> bool:
        """Whether an event told of the batch."""
        async with open_session(self._engine) as session:
            known = exists().where(BatchExecution.batch_id == batch_id)
            return bool(await session.scalar(select(known)))

    async def count(self, selection: Selection) -> SelectionCount:
        """What a reread of the selection would send if it was asked for now."""
        condition = None if selection.where is None else parse_condition(selection.where)
        now = datetime.now(UTC)
        statement = rereads.count_statement(selection.batch_id, condition, now, self._zone)
        async with open_session(self._engine) as session:
            images, boxes = (await _execute(session, statement)).one()
        return SelectionCount(images=images, boxes=boxes)

    async def request(self, asked: RereadRequest) -> Reread:
        """Note it, unless its id was used before; returns what stands under the id."""
        statement = rereads.request_statement(
            asked.request_id, asked.batch_id, asked.where, asked.lane
        )
        async with open_session(self._writing_engine) as session:
            await _execute(session, statement)
            await session.commit()
            row = await session.get_one(BatchReread, asked.request_id)
            return await self._reread(session, row)

    async def reread(self, request_id: str) -> Reread | None:
        """A reread and how far it is; None if nobody asked for it."""
        async with open_session(self._engine) as session:
            row = await session.get(BatchReread, request_id)
            return None if row is None else await self._reread(session, row)

    async def of_batch(self, batch_id: str, cursor: str | None, limit: int) -> Page[Readings]:
        """Of each image of the batch that was asked to be read again the last time that it was."""
        later = aliased(KeptReading)
        query = (
            _readings()
            .where(
                KeptReading.batch_id == batch_id,
                KeptReading.id > (decode_cursor(cursor, int) if cursor else 0),
                ~exists().where(
                    later.image_path == KeptReading.image_path, later.id > KeptReading.id
                ),
            )
            .order_by(KeptReading.id)
            .limit(limit + 1)
        )
        async with open_session(self._engine) as session:
            rows = (await session.execute(query)).all()
        following = encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None
        items = [
            self._pair(kept, asked, chain, holder) for kept, asked, chain, holder in rows[:limit]
        ]
        return Page(items=items, next_cursor=following)

    async def of_image(self, image_path: str, cursor: str | None, limit: int) -> Page[Readings]:
        """Each time that the image was asked to be read again, the last first."""
        query = (
            _readings()
            .where(KeptReading.image_path == image_path)
            .order_by(KeptReading.id.desc())
            .limit(limit + 2)
        )
        # What followed the first of a page is the last one of the page before.
        if cursor is not None:
            query = query.where(KeptReading.id <= decode_cursor(cursor, int))
        async with open_session(self._engine) as session:
            rows = (await session.execute(query)).all()
        followers: list[KeptReading | OcrExecution | None] = [row[0] for row in rows]
        if cursor is None:
            followers[:0] = [holder for _, _, _, holder in rows[:1]]
        shown = rows if cursor is None else rows[1:]
        following = encode_cursor(shown[limit - 1][0].id) if len(shown) > limit else None
        items = [
            self._pair(kept, asked, chain, follower)
            for (kept, asked, chain, _), follower in zip(shown[:limit], followers, strict=False)
        ]
        return Page(items=items, next_cursor=following)

    async def _reread(self, session: AsyncSession, row: BatchReread) -> Reread:
        answered = select(
            func.count().filter(ChainExecution.status == ProcessStatus.SUCCESS),
            func.count().filter(
                ChainExecution.status.in_([ProcessStatus.FAILURE, ProcessStatus.REVOKED])
            ),
        ).select_from(KeptReading)
        answered = answered.join(
            ChainExecution,
            and_(
                ChainExecution.chain_id == KeptReading.next_chain_id,
                ChainExecution.run >= KeptReading.next_run,
            ),
        ).where(KeptReading.request_id == row.request_id)
        read, failed = (await session.execute(answered)).one()
        return Reread(
            request_id=row.request_id,
            batch_id=row.batch_id,
            where=row.condition,
            lane=row.lane,
            state="sending" if row.pending else "sent",
            requested_at=row.requested_at,
            images=row.images,
            boxes=row.boxes,
            read_images=read,
            failed_images=failed,
        )

    def _pair(
        self,
        kept: KeptReading,
        asked: BatchReread,
        chain: ChainExecution | None,
        follower: KeptReading | OcrExecution | None,
    ) -> Readings:
        told: Any = {} if chain is None else chain.input_data
        # What is still what was to be read again is no answer to it.
        same = follower is not None and (
            (kept.chain_id, kept.run, kept.submitted_at)
            == (follower.chain_id, follower.run, follower.submitted_at)
        )
        return Readings(
            image_path=kept.image_path,
            index=kept.image_index,
            source_name=told.get("source_name"),
            page=told.get("page"),
            request_id=kept.request_id,
            requested_at=asked.requested_at,
            old=self._reading(kept),
            new=None if same or follower is None else self._reading(follower),
        )

    def _reading(self, row: KeptReading | OcrExecution) -> Reading:
        if isinstance(row, KeptReading):
            boxes = [TextBox(**box) for box in row.boxes]
        else:
            boxes = [
                TextBox(text=box.text, confidence=box.confidence, bbox=box.bbox)
                for box in row.text_boxes
            ]
        return Reading(
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


def _readings() -> _Rows:
    """Rows of what was kept, who asked, the chain that reads again, and what holds the path."""
    found = (
        select(KeptReading, BatchReread, ChainExecution, OcrExecution)
        .join(BatchReread, BatchReread.request_id == KeptReading.request_id)
        .outerjoin(
            ChainExecution,
            and_(ChainExecution.chain_id == KeptReading.next_chain_id, ChainExecution.run > 0),
        )
        .outerjoin(OcrExecution, OcrExecution.image_path == KeptReading.image_path)
    )
    return cast("_Rows", found)


async def _execute(session: AsyncSession, statement: Statement) -> Any:
    connection = await session.connection()
    return await connection.exec_driver_sql(*statement)
