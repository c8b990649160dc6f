"""What PostgreSQL's catalog says of a table: columns, indexes, foreign keys."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, text

RowT = TypeVar("RowT")

_KIND = "SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass(:name)"

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""

_INDEXES = """
SELECT c.relname, i.indisprimary, i.indisunique, i.indisvalid AND i.indisready,
       NOT i.indimmediate, i.indpred IS NULL AND m.amname = 'btree',
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false)
                    || CASE WHEN i.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END
             FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = to_regclass(:name)
ORDER BY c.relname
"""

_FOREIGN_KEYS = """
SELECT c.conname,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.place),
       c.confrelid::regclass::text,
       CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
                          WHEN 'd' THEN 'SET DEFAULT' END
FROM pg_constraint c
WHERE c.contype = 'f' AND c.conrelid = to_regclass(:name)
ORDER BY c.conname
"""


class FoundColumn(NamedTuple):
    """A column; `has_default` is true for an identity, too."""

    name: str
    type: str
    nullable: bool
    has_default: bool


class FoundIndex(NamedTuple):
    """An index; `plain`: a b-tree over all rows. A key may end in DESC."""

    name: str
    primary: bool
    unique: bool
    valid: bool
    deferrable: bool
    plain: bool
    keys: list[str]


class FoundForeignKey(NamedTuple):
    """A foreign key; `on_delete` is None where deleting is refused."""

    name: str
    columns: list[str]
    refers_to: str
    on_delete: str | None


class FoundTable(NamedTuple):
    """A table as it is; `ordinary` is false for views, partitioned and foreign tables."""

    name: str
    ordinary: bool
    columns: dict[str, FoundColumn]
    indexes: list[FoundIndex]
    foreign_keys: list[FoundForeignKey]


def find_table(connection: Connection, name: str) -> FoundTable | None:
    """The table on the search path, or None."""
    kind = connection.scalar(text(_KIND), {"name": name})
    if kind is None:
        return None

    def rows(query: str, make: Callable[..., RowT]) -> list[RowT]:
        found: list[Any] = list(connection.execute(text(query), {"name": name}))
        return [make(*row) for row in found]

    columns = {column.name: column for column in rows(_COLUMNS, FoundColumn)}
    indexes, foreign_keys = rows(_INDEXES, FoundIndex), rows(_FOREIGN_KEYS, FoundForeignKey)
    return FoundTable(name, kind == "r", columns, indexes, foreign_keys)
