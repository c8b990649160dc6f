"""Taking over a database that holds the five tables already: what stands against it, what it lacks.

No row is changed, and no statement holds a lock for longer than it takes to change the catalog.
"""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, DefaultClause, Index, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn

from ocrstream_recorder.database.catalog import FoundTable, find_table
from ocrstream_recorder.database.new_indexes import NewIndex
from ocrstream_recorder.errors import CannotTakeOverError
from ocrstream_recorder.takeover.old_tables import KEY, OLD_TABLES

_DIALECT = postgresql.dialect()
_VARCHAR = re.compile(r"character varying(?:\((\d+)\))?")


def existing_tables(connection: Connection, wanted: MetaData) -> set[str]:
    """Names of the five tables that are there already.

    Raises CannotTakeOverError with all that stands against taking them over. `wanted` are the
    tables of this version: whatever of them is not old must not be there yet.
    """
    obstacles = list(_of_the_database(connection))
    found = [(table, find_table(connection, table.name)) for table in OLD_TABLES.sorted_tables]
    for table, is_there in found:
        if is_there is not None:
            obstacles += _of_the_shape(table, is_there, wanted.tables[table.name])
    for name in wanted.tables.keys() - OLD_TABLES.tables.keys():
        if find_table(connection, name) is not None:
            obstacles.append(f"there is a table {name}, a name that the recorder needs: rename it")
    if not obstacles:  # Only tables of the right shape can be asked for their rows.
        for table, is_there in found:
            if is_there is not None:
                obstacles += _of_the_rows(connection, table, is_there)
    if obstacles:
        raise CannotTakeOverError(obstacles)
    return {table.name for table, is_there in found if is_there is not None}


def _of_the_database(connection: Connection) -> Iterator[str]:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        yield f"its encoding is {encoding}: restore a dump of it into a database with UTF8"


def _of_the_shape(table: Table, found: FoundTable, wanted: Table) -> Iterator[str]:
    name = table.name
    if not found.ordinary:
        yield f"{name} is a view, or partitioned, or foreign: it must be an ordinary table"
        return
    for column in table.columns:
        is_there = found.columns.get(column.name)
        if is_there is None:
            yield f"{name} has no column {column.name}: ALTER TABLE {name} ADD {_sql_of(column)}"
        elif not _fits(column, is_there.type) and not _widens(column, is_there.type):
            yield (
                f"{name}.{column.name} is of type {is_there.type}: ALTER TABLE {name} ALTER"
                f" {column.name} TYPE {_type_of(column)}{_using(column, is_there.type)}"
            )
    for column in found.columns.values():
        if column.name in table.columns:
            continue
        if column.name in wanted.columns:
            yield (
                f"{name} has a column {column.name}, a name that the recorder needs:"
                f" ALTER TABLE {name} RENAME {column.name} TO old_{column.name}"
            )
        elif not column.nullable and not column.has_default:
            yield (
                f"{name}.{column.name} must be set, and the recorder does not know it:"
                f" ALTER TABLE {name} ALTER {column.name} DROP NOT NULL"
            )
    yield from _of_the_keys(table, found)


def _of_the_keys(table: Table, found: FoundTable) -> Iterator[str]:
    name = table.name
    identity = found.columns.get("id")
    if identity is not None and not identity.has_default:
        yield f"{name}.id has no default: give it one from a sequence, or make it an identity"
    if not any(index.primary and index.keys == ["id"] for index in found.indexes):
        yield f"{name} has no primary key on id: ALTER TABLE {name} ADD PRIMARY KEY (id)"
    unique = [{"id"}, *({*_keys(index)} for index in table.indexes if index.unique)]
    for index in found.indexes:
        if index.unique and index.deferrable and not index.primary:
            # Such a one makes ON CONFLICT fail, even where another index would do.
            yield (
                f"{name} may defer whether ({', '.join(index.keys)}) is unique:"
                f" ALTER TABLE {name} DROP CONSTRAINT {_quoted(index.name)}"
            )
            continue
        if not index.unique or any(known <= {*index.keys} for known in unique):
            continue
        yield (
            f"{name} may have ({', '.join(index.keys)}) only once, by {index.name}, and the"
            " recorder writes it more often: drop that index or constraint"
        )


def _of_the_rows(connection: Connection, table: Table, found: FoundTable) -> Iterator[str]:
    name = table.name
    for column in table.columns:
        if _may_be_null(column) or not found.columns[column.name].nullable:
            continue
        query = sa.select(sa.func.count()).select_from(table).where(column.is_(None))
        count = connection.scalar(query)
        if count:
            yield f"{name}.{column.name} is NULL in {count} rows: fill it, or delete these rows"
    for index in lacking_indexes(table, found):
        if not index.unique:
            continue
        columns = [table.columns[key] for key in index.keys]
        row = connection.execute(
            sa.select(*columns, sa.func.count())
            .where(*(column.is_not(None) for column in columns))
            .group_by(*columns)
            .having(sa.func.count() > 1)
            .limit(1)
        ).first()
        if row is not None:
            *values, count = row
            yield (
                f"{name}.{', '.join(index.keys)} must be unique, and {count} rows have"
                f" {', '.join(map(repr, values))}: delete or rename all but one of each"
            )


def column_changes(table: Table, found: FoundTable) -> list[str]:
    """One ALTER TABLE for defaults that the recorder relies on and columns that are too narrow.

    Neither rewrites rows.
    """
    actions: list[str] = []
    for column in table.columns:
        is_there = found.columns[column.name]
        if _widens(column, is_there.type):
            actions.append(f"ALTER COLUMN {column.name} TYPE {_type_of(column)}")
        if column.server_default is not None and not is_there.has_default:
            actions.append(f"ALTER COLUMN {column.name} SET DEFAULT {_default_of(column)}")
    return [f"ALTER TABLE {table.name} {', '.join(actions)}"] if actions else []


def lacking_indexes(table: Table, found: FoundTable) -> list[NewIndex]:
    """Indexes to be made, under names that are free; what counts is what an index covers."""
    usable = [index for index in found.indexes if index.valid and index.plain]
    taken = {index.name for index in found.indexes if index.valid}
    lacking: list[NewIndex] = []
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        keys, name = _keys(index), str(index.name)
        if any(one.keys == keys and one.unique >= index.unique for one in usable):
            continue
        if name in taken:
            name = f"uq_{table.name}_{'_'.join(keys)}"
        lacking.append(NewIndex(name, table.name, tuple(keys), index.unique))
    return lacking


def foreign_key_changes(table: Table, found: FoundTable) -> list[str]:
    """One ALTER TABLE for foreign keys that are missing, or do another thing when rows go.

    Rows that are there are not looked at: those that refer to nothing stay.
    """
    actions: list[str] = []
    for wanted in sorted(table.foreign_key_constraints, key=lambda one: list(one.column_keys)):
        same = [
            one
            for one in found.foreign_keys
            if one.columns == list(wanted.column_keys)
            and one.refers_to == wanted.referred_table.name
        ]
        if any(one.on_delete == wanted.ondelete for one in same):
            continue
        actions += [f"DROP CONSTRAINT {_quoted(one.name)}" for one in same]
        on_delete = f" ON DELETE {wanted.ondelete}" if wanted.ondelete else ""
        referred = wanted.elements[0].column
        actions.append(
            f"ADD FOREIGN KEY ({', '.join(wanted.column_keys)})"
            f" REFERENCES {referred.table.name} ({referred.name}){on_delete} NOT VALID"
        )
    return [f"ALTER TABLE {table.name} {', '.join(actions)}"] if actions else []


def _keys(index: Index) -> list[str]:
    return [getattr(key, "name", None) or str(key) for key in index.expressions]


def _may_be_null(column: Column[Any]) -> bool:
    """Whether NULL can be lived with: it means nothing, or reads as a constant default.

    A row whose key is NULL is one that no event names.
    """
    constant = column.server_default is not None and not isinstance(column.type, sa.DateTime)
    return bool(column.nullable) or constant or column.info == KEY


def _fits(column: Column[Any], found: str) -> bool:
    match column.type:
        case sa.String():
            varchar = _VARCHAR.fullmatch(found)
            length = varchar and varchar[1]
            return found == "text" or bool(varchar and not _shorter(length, column.type.length))
        case sa.Integer():
            return found in {"integer", "bigint"}
        case sa.DateTime():
            return found == "timestamp without time zone"
        case sa.JSON():
            return found in {"json", "jsonb"}
        case sa.Float():
            return found in {"double precision", "real"}
        case _:
            raise NotImplementedError(column.type)


def _widens(column: Column[Any], found: str) -> bool:
    """Whether the type need only grow, which changes no row."""
    varchar = _VARCHAR.fullmatch(found)
    return (
        isinstance(column.type, sa.String)
        and varchar is not None
        and _shorter(varchar[1], column.type.length)
    )


def _shorter(found: str | None, wanted: int | None) -> bool:
    return found is not None and (wanted is None or int(found) < wanted)


def _using(column: Column[Any], found: str) -> str:
    if found == "timestamp with time zone":
        return f" USING {column.name} AT TIME ZONE 'UTC' (UTC, or OCRSTREAM_DB_TIMEZONE)"
    return f" USING {column.name}::text::{_type_of(column)}"


def _sql_of(column: Column[Any]) -> str:
    return str(CreateColumn(column).compile(dialect=_DIALECT)).strip()


def _type_of(column: Column[Any]) -> str:
    return column.type.compile(dialect=_DIALECT)


def _default_of(column: Column[Any]) -> str:
    default = column.server_default
    assert isinstance(default, DefaultClause)  # noqa: S101 (the old tables have no others)
    return f"'{default.arg}'" if isinstance(default.arg, str) else str(default.arg)


def _quoted(name: str) -> str:
    return _DIALECT.identifier_preparer.quote(name)
