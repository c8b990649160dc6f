"""Many rows in one parameter: JSON, unfolded by the server into typed columns.

One statement then writes any number of rows, in the order given, whatever types they hold.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, LiteralString, NamedTuple

import msgspec

Columns = Mapping[LiteralString, LiteralString]
"""Columns of a row and their SQL types."""


Table = Literal["chains", "tasks", "images", "boxes", "batches"]
"""What rows are counted by."""


class RowCount(NamedTuple):
    """Rows that the server was to insert or change, and those that it says it did."""

    staged: int
    written: int


def records(columns: Columns) -> LiteralString:
    """The FROM item `r`, whose rows are the parameter's."""
    typed = ", ".join([f"{name} {kind}" for name, kind in columns.items()])
    return f"json_to_recordset(%s::json) AS r({typed})"


def rows_parameter(rows: Sequence[Mapping[str, Any]]) -> str:
    """The parameter that goes with `records`."""
    return msgspec.json.encode(rows).decode()


def assignments(columns: Columns, key: LiteralString) -> LiteralString:
    """The SET list of an UPDATE from `r`: every column but the key, and `updated_at`."""
    kept: list[LiteralString] = [f"{name} = r.{name}" for name in columns if name != key]
    return ", ".join([*kept, "updated_at = timezone('utc', now())"])
