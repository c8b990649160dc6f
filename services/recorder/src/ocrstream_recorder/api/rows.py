"""From database rows to the models that the API answers with."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel
from sqlalchemy import DefaultClause, TextClause, inspect
from sqlalchemy.orm import InstrumentedAttribute

from ocrstream_recorder.database.tables import BatchExecution, ChainExecution, TaskLog
from ocrstream_recorder.database.zone import DatabaseZone

ModelT = TypeVar("ModelT", bound=BaseModel)
ValueT = TypeVar("ValueT")

# The SQL sets these in UTC; all other times are in the database's zone.
_UTC_COLUMNS = frozenset({"created_at", "updated_at"})


def columns_of(
    table: type, model: type[BaseModel], *, without: Iterable[str] = ()
) -> list[InstrumentedAttribute[Any]]:
    """The table's columns with the names of the model's fields, those `without` aside."""
    left_out = set(without)
    return [getattr(table, name) for name in model.model_fields if name not in left_out]


def row_to_model(
    model: type[ModelT], row: object, table: type, zone: DatabaseZone, **given: Any
) -> ModelT:
    """The model, its fields from the row's columns of the same names, `given` aside.

    `zone` is that of the times in the row.
    """
    fields = {
        name: _value(row, table, name, zone) for name in model.model_fields if name not in given
    }
    return model(**fields, **given)


def _value(row: object, table: type, name: str, zone: DatabaseZone) -> Any:
    value = getattr(row, name)
    if value is None:
        return _DEFAULTS.get((table, name))
    if not isinstance(value, datetime) or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC) if name in _UTC_COLUMNS else zone.to_utc(value)


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


# What the API answers where a row from before the recorder has NULL.
_DEFAULTS = dict(_defaults())


def decode_stored(content: bytes | str) -> Any:
    """The value of JSON as the database stores it. Raises ValueError if it is no JSON."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        # PostgreSQL accepts what other parsers refuse: 1e999, half a surrogate pair.
        return json.loads(content)


def of_kind(value: Any, kind: type[ValueT]) -> ValueT | None:
    """The value if it has the type: a row from before the recorder may hold any JSON."""
    return value if isinstance(value, kind) else None
