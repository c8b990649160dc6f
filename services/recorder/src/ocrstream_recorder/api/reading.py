"""How requests read: a session each, and rows as answers tell them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, DefaultClause, TextClause, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from starlette.datastructures import State

from ocrstream_recorder.api.direct_reads import DirectReads, Question
from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.database.tables import BatchExecution, ChainExecution, TaskLog
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_runtime.problems import MEDIA_TYPE, Problem

ModelT = TypeVar("ModelT", bound=BaseModel)
AnswerT = TypeVar("AnswerT")


def _problem(description: str, status: int, title: str, detail: str) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "/v1/batches/b-1",
    }
    return {"description": description, "content": {MEDIA_TYPE: {"example": example}}}


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: _problem(
        "Nothing is known of it (yet)",
        404,
        "No such batch",
        "No event has told of a batch 'b-1' yet",
    )
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    422: _problem(
        "The request breaks its schema",
        422,
        "The request breaks its schema",
        "query limit: Input should be less than or equal to 1000",
    ),
    503: _problem(
        "The database cannot be asked now, or not for so much",
        503,
        "Database unavailable",
        "The database cannot be asked now; try again in a moment",
    ),
}
"""What every path may answer beside what it is asked for."""
RESPONSES: dict[int | str, dict[str, Any]] = {
    304: {"description": "The answer is still that of the `ETag` in `If-None-Match`"},
    400: _problem(
        "The cursor is none of this API's",
        400,
        "Bad cursor",
        "cursor: not one that this API gave; ask again without it",
    ),
    **REFUSALS,
}
"""The same, of paths that answer pages."""

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


class Shown(NamedTuple):
    """Rows as answers tell them, their times in the database's zone."""

    zone: DatabaseZone

    def view(
        self, model: type[ModelT], row: object, table: type | None = None, **given: Any
    ) -> ModelT:
        """The model, its fields from the columns of the same names, `given` aside.

        `table`: what the row is of, if it is not an instance of it.
        """
        kind = table or type(row)
        fields = {
            name: self._value(row, kind, name) for name in model.model_fields if name not in given
        }
        return model(**fields, **given)

    def _value(self, row: object, kind: type, name: str) -> Any:
        value = getattr(row, name)
        if value is None:
            return _DEFAULTS.get((kind, name))
        if not isinstance(value, datetime) or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC) if name in _UTC_COLUMNS else self.zone.to_utc(value)


class Reading(NamedTuple):
    """A session for one request, and the zone of the times that it reads."""

    session: AsyncSession
    zone: DatabaseZone

    def view(self, model: type[ModelT], row: object, **given: Any) -> ModelT:
        """As `Shown.view`, of an instance of a table."""
        return Shown(self.zone).view(model, row, **given)

    async def rows(self, question: Question, parameters: dict[str, Any]) -> Sequence[Any]:
        """Rows that answer it."""
        return (await self.session.execute(question.query, parameters)).all()

    def between(
        self, column: InstrumentedAttribute[Any], after: datetime | None, before: datetime | None
    ) -> Iterator[ColumnElement[bool]]:
        """That a time of a table is `after` or later, and earlier than `before`; None: any."""
        if after is not None:
            yield column >= self.zone.to_local(after)
        if before is not None:
            yield column < self.zone.to_local(before)


class DirectReading(NamedTuple):
    """For what is asked most: statements that go straight to the driver."""

    reads: DirectReads
    zone: DatabaseZone
    noted: State

    async def rows(self, question: Question, parameters: dict[str, Any]) -> Sequence[Any]:
        """Rows that answer it; the first answer's `state` is noted, for the cache of answers."""
        rows = await self.reads.rows(
            question.text,
            {**question.literals, **parameters},
            plan_by_value=question.plan_by_value,
        )
        if not hasattr(self.noted, "database_state"):
            self.noted.database_state = rows[0].state if rows else ""
        return rows


class Asks(Protocol):
    """Whichever answers questions with rows."""

    @property
    def zone(self) -> DatabaseZone:
        """The zone of the times in them."""
        ...

    async def rows(self, question: Question, parameters: dict[str, Any]) -> Sequence[Any]:
        """Rows that answer it."""
        ...


async def _open_reading(request: Request) -> AsyncIterator[Reading]:
    async with open_session(request.app.state.database.engine) as session:
        yield Reading(session, request.app.state.zone)


async def _direct_reading(request: Request) -> DirectReading:
    state = request.app.state
    return DirectReading(state.database.quick, state.zone, request.state)


Reads = Annotated[Reading, Depends(_open_reading)]
QuickReads = Annotated[DirectReading, Depends(_direct_reading)]


def found(answer: AnswerT | None, kind: str, key: str) -> AnswerT:
    """The answer; a problem document if there is none."""
    if answer is None:
        raise Problem(404, f"No such {kind}", f"No event has told of a {kind} {key!r} yet")
    return answer
