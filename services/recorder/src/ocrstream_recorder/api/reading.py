"""How requests read: a session each, and rows as answers tell them."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy import DefaultClause, TextClause, inspect
from sqlalchemy.ext.asyncio import AsyncSession

from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.store.tables import BatchExecution, ChainExecution, TaskLog
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.problems import Problem

ModelT = TypeVar("ModelT", bound=BaseModel)
AnswerT = TypeVar("AnswerT")

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "Nothing is known of it (yet), as a problem document"}
}

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


class Reading(NamedTuple):
    """A session for one request, and the zone of the times that it reads."""

    session: AsyncSession
    zone: DatabaseZone

    def view(self, model: type[ModelT], row: object, **given: Any) -> ModelT:
        """The model, its fields from the columns of the same names, `given` aside."""
        fields = {name: self._value(row, name) for name in model.model_fields if name not in given}
        return model(**fields, **given)

    def _value(self, row: object, name: str) -> Any:
        value = getattr(row, name)
        if value is None:
            return _DEFAULTS.get((type(row), name))
        if not isinstance(value, datetime) or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC) if name in _UTC_COLUMNS else self.zone.to_utc(value)


async def _open_reading(request: Request) -> AsyncIterator[Reading]:
    async with open_session(request.app.state.engine) as session:
        yield Reading(session, request.app.state.zone)


Reads = Annotated[Reading, Depends(_open_reading)]


def found(answer: AnswerT | None, kind: str, key: str) -> AnswerT:
    """The answer; a problem document if there is none."""
    if answer is None:
        raise Problem(404, f"No such {kind}", f"No event has told of a {kind} {key!r} yet")
    return answer
