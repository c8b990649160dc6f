"""The queries behind the read API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import DefaultClause, TextClause, exists, inspect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ocrstream_recorder.api.cursors import decode_cursor, encode_cursor
from ocrstream_recorder.api.models import (
    Batch,
    BatchImage,
    Chain,
    Delivery,
    Image,
    Page,
    Task,
    TextBox,
)
from ocrstream_recorder.domain.status import ProcessStatus
from ocrstream_recorder.store.tables import (
    BatchExecution,
    ChainExecution,
    OcrExecution,
    TaskLog,
    WebhookDelivery,
)
from ocrstream_recorder.store.zone import DatabaseZone

ModelT = TypeVar("ModelT", bound=BaseModel)

# Set by the SQL in UTC; all other times are in the database's zone.
_UTC_COLUMNS = frozenset({"created_at", "updated_at"})


def _defaults() -> Iterator[tuple[tuple[type, str], Any]]:
    for table in (BatchExecution, ChainExecution, TaskLog):
        for column in inspect(table).columns:
            match column.server_default:
                case DefaultClause(arg=str(word)):
                    yield (table, column.key), word
                case DefaultClause(arg=TextClause(text=number)) if number.isdigit():
                    yield (table, column.key), int(number)
                case _:
                    pass


# What columns read as where a row from before the recorder has NULL.
_DEFAULTS = dict(_defaults())


class Views:
    """Reads through one session; times come out as instants."""

    def __init__(self, session: AsyncSession, zone: DatabaseZone) -> None:
        self._session = session
        self._zone = zone

    async def batch(self, batch_id: str) -> Batch | None:
        """The batch, or None if no event told of it."""
        row = await self._session.scalar(
            select(BatchExecution).where(BatchExecution.batch_id == batch_id)
        )
        if row is None:
            return None
        return self._view(Batch, row, progress=row.get_progress_percentage())

    async def batch_images(self, batch_id: str, cursor: str | None, limit: int) -> Page[BatchImage]:
        """Images of a batch by index, those without one last."""
        newer = aliased(ChainExecution)
        of_batch = select(ChainExecution).where(
            ChainExecution.batch_id == batch_id,
            # A chain from before the recorder is hidden by one of the same id that events told of.
            (ChainExecution.run > 0)
            | ~exists().where(newer.chain_id == ChainExecution.chain_id, newer.run > 0),
        )
        indexed = of_batch.where(ChainExecution.image_index.is_not(None)).order_by(
            ChainExecution.image_index, ChainExecution.id
        )
        others = of_batch.where(ChainExecution.image_index.is_(None)).order_by(ChainExecution.id)
        index, row_id = decode_cursor(cursor, tuple[int | None, int]) if cursor else (-1, 0)
        rows: list[ChainExecution] = []
        if index is not None:
            place = tuple_(ChainExecution.image_index, ChainExecution.id)
            rows += await self._session.scalars(
                indexed.where(place > (index, row_id)).limit(limit + 1)
            )
            row_id = 0
        if len(rows) <= limit:
            rows += await self._session.scalars(
                others.where(ChainExecution.id > row_id).limit(limit + 1 - len(rows))
            )
        shown = rows[:limit]
        following = (shown[-1].image_index, shown[-1].id) if len(rows) > limit else None
        return _page([_batch_image(row) for row in shown], following)

    async def deliveries(self, batch_id: str, cursor: str | None, limit: int) -> Page[Delivery]:
        """Deliveries to a batch's webhook, the newest revision first."""
        query = (
            select(WebhookDelivery)
            .where(WebhookDelivery.batch_id == batch_id)
            .order_by(WebhookDelivery.revision.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(WebhookDelivery.revision < decode_cursor(cursor, int))
        rows = (await self._session.scalars(query)).all()
        shown = rows[:limit]
        following = shown[-1].revision if len(rows) > limit else None
        return _page([self._view(Delivery, row) for row in shown], following)

    async def chain(self, chain_id: str) -> Chain | None:
        """The chain with its tasks, or None if no event told of it."""
        row = await self._session.scalar(
            select(ChainExecution)
            .where(ChainExecution.chain_id == chain_id)
            .order_by(ChainExecution.run.desc(), ChainExecution.id.desc())
            .limit(1)
        )
        if row is None:
            return None
        tasks = await self._session.scalars(
            select(TaskLog)
            .where(TaskLog.chain_execution_id == row.id)
            .order_by(TaskLog.run, TaskLog.id)
        )
        return self._view(
            Chain, row, tasks=[self._view(Task, task, chain_id=chain_id) for task in tasks]
        )

    async def image(self, image_path: str) -> Image | None:
        """The result that holds the path, or None if there is none yet."""
        row = await self._session.scalar(
            select(OcrExecution).where(OcrExecution.image_path == image_path)
        )
        if row is None:
            return None
        boxes = [
            TextBox(text=box.text, confidence=box.confidence, bbox=box.bbox)
            for box in row.text_boxes
        ]
        return self._view(Image, row, text_boxes=boxes)

    async def tasks(
        self,
        *,
        chain_id: str | None,
        task_name: str | None,
        status: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Task]:
        """Tasks, the newest row first."""
        query = (
            select(TaskLog, ChainExecution.chain_id)
            .outerjoin(ChainExecution, ChainExecution.id == TaskLog.chain_execution_id)
            .order_by(TaskLog.id.desc())
            .limit(limit + 1)
        )
        if chain_id is not None:
            query = query.where(ChainExecution.chain_id == chain_id)
        if task_name is not None:
            query = query.where(TaskLog.task_name == task_name)
        if status is not None:
            query = query.where(TaskLog.status == status)
        if cursor is not None:
            query = query.where(TaskLog.id < decode_cursor(cursor, int))
        rows = (await self._session.execute(query)).all()
        shown = rows[:limit]
        following = shown[-1][0].id if len(rows) > limit else None
        return _page([self._view(Task, task, chain_id=owner) for task, owner in shown], following)

    def _view(self, model: type[ModelT], row: object, **given: Any) -> ModelT:
        """The model, its fields from the columns of the same names, `given` aside."""
        fields = {name: self._value(row, name) for name in model.model_fields if name not in given}
        return model(**fields, **given)

    def _value(self, row: object, name: str) -> Any:
        value = getattr(row, name)
        if value is None:
            return _DEFAULTS.get((type(row), name))
        if not isinstance(value, datetime) or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC) if name in _UTC_COLUMNS else self._zone.to_utc(value)


def _page(items: list[ModelT], last: object | None) -> Page[ModelT]:
    """A page; `last` is the position of its last item if more follow."""
    return Page(items=items, next_cursor=None if last is None else encode_cursor(last))


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
