"""Rows of tables as types: their columns, what is written as JSON, what is read as tuples.

Many rows are written by one parameter: JSON, unfolded by the server into typed columns. One
statement then writes any number of rows, in the order given, whatever types they hold.
"""

from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Literal,
    LiteralString,
    NamedTuple,
    cast,
    get_origin,
    get_type_hints,
)

import msgspec

Columns = Mapping[LiteralString, LiteralString]
"""Columns of a row and their SQL types."""

Table = Literal["chains", "tasks", "images", "boxes", "batches"]
"""What rows are counted by."""


class RowCount(NamedTuple):
    """Rows that the server was to insert or change, and those that it says it did."""

    staged: int
    written: int


class TableRow(msgspec.Struct, kw_only=True):
    """A row to be written: each field is a column, annotated with its SQL type.

    `id` is the key of a row to be updated; one to be inserted has none yet.
    """

    id: int | msgspec.UnsetType = msgspec.UNSET


def columns_of(row: type[msgspec.Struct]) -> Columns:
    """The columns of a row's type, in the order of its fields; `TableRow.id` is none of them."""
    return {
        cast("LiteralString", name): cast("LiteralString", hint.__metadata__[0])
        for name, hint in get_type_hints(row, include_extras=True).items()
        if get_origin(hint) is Annotated
    }


def select_list(row: type[tuple[Any, ...]]) -> LiteralString:
    """The columns of a SELECT whose rows become this NamedTuple, in the order of its fields.

    A field that is more than a column of its name is annotated with its SQL expression.
    """
    return ", ".join(
        [
            cast("LiteralString", hint.__metadata__[0] if get_origin(hint) is Annotated else name)
            for name, hint in get_type_hints(row, include_extras=True).items()
        ]
    )


def records(columns: Columns) -> LiteralString:
    """The FROM item `r`, whose rows are the parameter's."""
    typed = ", ".join([f"{name} {kind}" for name, kind in columns.items()])
    return f"json_to_recordset(%s::json) AS r({typed})"


def rows_parameter(rows: Sequence[msgspec.Struct]) -> str:
    """The parameter that goes with `records`."""
    return msgspec.json.encode(rows).decode()


def assignments(columns: Columns) -> LiteralString:
    """The SET list of an UPDATE from `r`: every column, and `updated_at`."""
    kept: list[LiteralString] = [f"{name} = r.{name}" for name in columns]
    return ", ".join([*kept, "updated_at = timezone('utc', now())"])
