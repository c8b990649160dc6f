"""The queries behind the dead letters' paths."""

from collections.abc import Sequence

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api.cursors import decode_number, encode_cursor
from ocrstream_recorder.api.dead_letter_models import DeadLetterItem, DeadLetterState
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.database.tables import UTC_NOW, DeadLetter
from ocrstream_recorder.rules.rejection import RejectionReason

_NOW = text(UTC_NOW.text)


class DeadLetterViews:
    """Reads and marks rows, each call in a session of its own: what comes between may take long."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def letter(self, letter_id: int, /) -> DeadLetter | None:
        """One dead letter."""
        async with open_session(self._engine) as session:
            return await session.get(DeadLetter, letter_id)

    async def page(
        self,
        *,
        topic: str | None,
        reason: RejectionReason | None,
        state: DeadLetterState | None,
        batch_id: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[DeadLetterItem]:
        """Dead letters, the newest first."""
        query = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit + 1)
        wanted = {
            DeadLetter.topic: topic,
            DeadLetter.reason: reason,
            DeadLetter.state: state,
            DeadLetter.batch_id: batch_id,
        }
        for column, value in wanted.items():
            if value is not None:
                query = query.where(column == value)
        if cursor is not None:
            query = query.where(DeadLetter.id < decode_number(cursor))
        async with open_session(self._engine) as session:
            rows = (await session.scalars(query)).all()
        following = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
        items = [DeadLetterItem.of(row) for row in rows[:limit]]
        return Page(items=items, next_cursor=following)

    async def mark_redriven(self, letter_id: int, redrive: int, /) -> None:
        """Say that its redrive of this number was sent."""
        async with open_session(self._engine) as session:
            await session.execute(
                update(DeadLetter)
                .where(DeadLetter.id == letter_id)
                .values(
                    redrives=func.greatest(DeadLetter.redrives, redrive),
                    dropped=False,
                    updated_at=_NOW,
                )
            )
            await session.commit()

    async def drop(self, ids: Sequence[int]) -> set[int]:
        """Mark dead letters as dropped; returns those that are there."""
        async with open_session(self._engine) as session:
            found = await session.scalars(
                update(DeadLetter)
                .where(DeadLetter.id.in_(ids))
                .values(dropped=True, updated_at=_NOW)
                .returning(DeadLetter.id)
            )
            dropped = set(found)
            await session.commit()
        return dropped
