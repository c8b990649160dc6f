"""Rows of chain_executions: insert what is new, lock what is there, write what changed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Connection, Cursor

from ocrstream_recorder.database.typed_rows import (
    Columns,
    TableRow,
    assignments,
    columns_of,
    records,
    rows_parameter,
    select_list,
)
from ocrstream_recorder.rules.canonical_json import canonical_json
from ocrstream_recorder.rules.chain import Chain, ChainFields, ChainOutcome, ChainState
from ocrstream_recorder.rules.description import Description
from ocrstream_recorder.rules.fingerprints import split_fingerprints
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason


class ChainRow(TableRow):
    """A chain as it is written; `fingerprints` is text of bytea."""

    chain_id: Annotated[str, "text"]
    celery_task_id: Annotated[str | None, "text"]
    chain_name: Annotated[str | None, "text"]
    batch_id: Annotated[str | None, "text"]
    status: Annotated[ProcessStatus, "text"]
    total_tasks: Annotated[int, "int"]
    completed_tasks: Annotated[int, "int"]
    failed_tasks: Annotated[int, "int"]
    started_at: Annotated[datetime | None, "timestamp"]
    finished_at: Annotated[datetime | None, "timestamp"]
    initiated_by: Annotated[str | None, "text"]
    input_data: Annotated[dict[str, Any], "json"]
    error_message: Annotated[str | None, "text"]
    run: Annotated[int, "int"]
    image_index: Annotated[int | None, "int"]
    reason: Annotated[Reason | None, "text"]
    ranks: Annotated[tuple[int, ...], "bigint[]"]
    fingerprints: Annotated[str, "bytea"]


class _LockedRow(NamedTuple):
    id: int
    chain_id: str
    batch_id: str | None
    run: int
    total_tasks: int
    chain_name: str | None
    initiated_by: str | None
    input_data: dict[str, Any]
    ranks: list[int]
    status: str
    completed_tasks: int
    failed_tasks: int
    started_at: datetime | None
    finished_at: datetime | None
    celery_task_id: str | None
    reason: str | None
    error_message: str | None
    fingerprints: bytes | None


_COLUMNS = columns_of(ChainRow)
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}
_NAMES = ", ".join(_COLUMNS)

_KNOWN = "SELECT chain_id FROM chain_executions WHERE chain_id = ANY(%s) AND run > 0"

_FINGERPRINTS = """
SELECT fingerprints FROM chain_executions
WHERE chain_id = ANY(%s) AND run > 0 AND fingerprints IS NOT NULL
"""

_INSERT = f"""
INSERT INTO chain_executions ({_NAMES})
SELECT {_NAMES} FROM {records(_COLUMNS)}
ORDER BY r.chain_id COLLATE "C"
ON CONFLICT (chain_id) WHERE run > 0 DO NOTHING
RETURNING chain_id, id
"""

_LOCK = f"""
SELECT {select_list(_LockedRow)}
FROM chain_executions
WHERE chain_id = ANY(%s) AND run > 0
ORDER BY chain_id COLLATE "C"
FOR NO KEY UPDATE
"""

_UPDATE = f"""
UPDATE chain_executions c SET {assignments(_COLUMNS)}
FROM {records(_UPDATED)} WHERE c.id = r.id
"""


class StoredChain(NamedTuple):
    """A chain's row."""

    id: int
    chain: Chain
    fingerprints: bytes


def known(cursor: Cursor[Any], chain_ids: Iterable[str]) -> set[str]:
    """Those that have a row now; others may get one at any moment."""
    wanted = list(chain_ids)
    if not wanted:
        return set()
    cursor.execute(_KNOWN, (wanted,))
    return {chain_id for (chain_id,) in cursor}


def known_fingerprints(connection: Connection[Any], chain_ids: Iterable[str]) -> set[bytes]:
    """The fingerprints that these chains keep."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_FINGERPRINTS, (list(chain_ids),))
        return {one for (kept,) in cursor for one in split_fingerprints(kept)}


def insert_new(cursor: Cursor[Any], rows: list[ChainRow]) -> dict[str, int]:
    """Insert those that have no row; return their row ids by chain_id."""
    if not rows:
        return {}
    cursor.execute(_INSERT, (rows_parameter(rows),))
    return dict(cursor.fetchall())


def lock(cursor: Cursor[Any], chain_ids: Iterable[str]) -> dict[str, StoredChain]:
    """Lock the rows, in the order of their keys, and load them."""
    wanted = sorted(chain_ids)
    if not wanted:
        return {}
    cursor.execute(_LOCK, (wanted,))
    return {row.chain_id: _stored(row) for row in map(_LockedRow._make, cursor)}


def update(cursor: Cursor[Any], rows: list[ChainRow]) -> int:
    """Write rows that are locked, found by their ids; return how many the server wrote."""
    if not rows:
        return 0
    return cursor.execute(_UPDATE, (rows_parameter(rows),)).rowcount


def row_of(
    chain: Chain, fingerprints: bytes, row_id: int | msgspec.UnsetType = msgspec.UNSET
) -> ChainRow:
    """The chain's row, with the fingerprints that it keeps; `row_id` if there is one already."""
    state, outcome = chain
    fields = state.fields
    return ChainRow(
        state.chain_id,
        outcome.first_task_id,
        state.name,
        state.batch_id,
        outcome.status,
        state.total_tasks,
        outcome.completed_tasks,
        outcome.failed_tasks,
        outcome.started_at,
        outcome.finished_at,
        state.initiator,
        _input_data(fields),
        outcome.error,
        state.run,
        fields.image_index,
        outcome.reason,
        state.description.ranks,
        "\\x" + fingerprints.hex(),
        id=row_id,
    )


def _input_data(fields: ChainFields) -> dict[str, Any]:
    """The descriptive fields that have no column of their own, by the events' names."""
    _, _, index, image_path, public_path, source_name, page, options = fields
    named = {
        "index": index,
        "image_path": image_path,
        "public_path": public_path,
        "source_name": source_name,
        "page": page,
        "options": options,
    }
    return {name: value for name, value in named.items() if value is not None}


def _stored(row: _LockedRow) -> StoredChain:
    kept = row.input_data.get
    fields = ChainFields(
        row.chain_name,
        row.initiated_by,
        kept("index"),
        kept("image_path"),
        kept("public_path"),
        kept("source_name"),
        kept("page"),
        canonical_json(kept("options")),
    )
    state = ChainState(
        row.chain_id,
        row.batch_id,
        row.run,
        row.total_tasks,
        Description.of_row(fields, row.ranks),
    )
    outcome = ChainOutcome(
        ProcessStatus(row.status),
        row.completed_tasks,
        row.failed_tasks,
        row.started_at,
        row.finished_at,
        row.celery_task_id,
        None if row.reason is None else Reason(row.reason),
        row.error_message,
    )
    return StoredChain(row.id, Chain(state, outcome), row.fingerprints or b"")
