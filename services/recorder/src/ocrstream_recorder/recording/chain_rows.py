"""Rows of chain_executions: insert what is new, lock what is there, write what changed."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from ocrstream_recorder.database.json_rows import Columns, assignments, records, rows_parameter
from ocrstream_recorder.rules.canonical import document
from ocrstream_recorder.rules.chain import CHAIN_FIELDS, ChainOutcome, ChainState
from ocrstream_recorder.rules.description import Description
from ocrstream_recorder.rules.fingerprints import fingerprints
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

_COLUMNS: Columns = {
    "chain_id": "text",
    "celery_task_id": "text",
    "chain_name": "text",
    "batch_id": "text",
    "status": "text",
    "total_tasks": "int",
    "completed_tasks": "int",
    "failed_tasks": "int",
    "started_at": "timestamp",
    "finished_at": "timestamp",
    "initiated_by": "text",
    "input_data": "json",
    "error_message": "text",
    "run": "int",
    "image_index": "int",
    "reason": "text",
    "ranks": "bigint[]",
    "folded": "bytea",
}
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}
_NAMES = ", ".join(_COLUMNS)

_KNOWN = "SELECT chain_id FROM chain_executions WHERE chain_id = ANY(%s) AND run > 0"

_FOLDED = """
SELECT folded FROM chain_executions
WHERE chain_id = ANY(%s) AND run > 0 AND folded IS NOT NULL
"""

_INSERT = f"""
INSERT INTO chain_executions ({_NAMES})
SELECT {_NAMES} FROM {records(_COLUMNS)}
ORDER BY r.chain_id COLLATE "C"
ON CONFLICT (chain_id) WHERE run > 0 DO NOTHING
RETURNING chain_id, id
"""

_LOCK = """
SELECT id, chain_id, batch_id, run, total_tasks, chain_name, initiated_by, input_data, ranks,
       status, completed_tasks, failed_tasks, started_at, finished_at, celery_task_id, reason,
       error_message, folded
FROM chain_executions
WHERE chain_id = ANY(%s) AND run > 0
ORDER BY chain_id COLLATE "C"
FOR NO KEY UPDATE
"""

_UPDATE = f"""
UPDATE chain_executions c SET {assignments(_UPDATED, "id")}
FROM {records(_UPDATED)} WHERE c.id = r.id
"""

# These descriptive fields have no column of their own; `input_data` keeps them by name.
_IN_INPUT_DATA = CHAIN_FIELDS[2:]


class ChainRow(NamedTuple):
    """A chain and the fingerprints that it keeps, as its row is to tell."""

    state: ChainState
    outcome: ChainOutcome
    folded: bytes


class StoredChain(NamedTuple):
    """A chain's row."""

    id: int
    state: ChainState
    outcome: ChainOutcome
    folded: bytes


def known(cursor: Cursor[Any], chain_ids: Iterable[str]) -> set[str]:
    """Those that have a row now; others may get one at any moment."""
    wanted = list(chain_ids)
    if not wanted:
        return set()
    cursor.execute(_KNOWN, (wanted,))
    return {chain_id for (chain_id,) in cursor}


def folded(connection: Connection[Any], chain_ids: Iterable[str]) -> set[bytes]:
    """Fingerprints of records that are folded, as far as these chains keep them."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_FOLDED, (list(chain_ids),))
        return {one for (kept,) in cursor for one in fingerprints(kept)}


def insert_new(cursor: Cursor[Any], chains: Iterable[ChainRow]) -> dict[str, int]:
    """Insert those that have no row; return their row ids by chain_id."""
    rows = [_row(chain) for chain in chains]
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
    return {row[1]: _stored(row) for row in cursor}


def update(cursor: Cursor[Any], changed: Iterable[tuple[int, ChainRow]]) -> int:
    """Write rows that are locked; return how many the server wrote."""
    rows = [{"id": row_id, **_row(chain)} for row_id, chain in changed]
    if not rows:
        return 0
    return cursor.execute(_UPDATE, (rows_parameter(rows),)).rowcount


def _row(chain: ChainRow) -> dict[str, Any]:
    state, outcome, folded = chain
    described = state.described()
    return {
        "chain_id": state.chain_id,
        "celery_task_id": outcome.first_task_id,
        "chain_name": state.name,
        "batch_id": state.batch_id,
        "status": outcome.status,
        "total_tasks": state.total_tasks,
        "completed_tasks": outcome.completed_tasks,
        "failed_tasks": outcome.failed_tasks,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "initiated_by": state.initiator,
        "input_data": {
            name: described[name] for name in _IN_INPUT_DATA if described[name] is not None
        },
        "error_message": outcome.error,
        "run": state.run,
        "image_index": state.index,
        "reason": outcome.reason,
        "ranks": state.description.ranks,
        "folded": "\\x" + folded.hex(),
    }


def _stored(row: tuple[Any, ...]) -> StoredChain:
    row_id, chain_id, batch_id, run, total_tasks, name, initiator, input_data, ranks = row[:9]
    status, completed, failed, started_at, finished_at = row[9:14]
    first_task_id, reason, error, folded = row[14:]
    said = (input_data.get(field) for field in _IN_INPUT_DATA[:-1])
    told = (name, initiator, *said, document(input_data.get("options")))
    values = tuple(value if rank else None for value, rank in zip(told, ranks, strict=True))
    return StoredChain(
        row_id,
        ChainState(chain_id, batch_id, run, total_tasks, Description(values, tuple(ranks))),
        ChainOutcome(
            ProcessStatus(status),
            completed,
            failed,
            started_at,
            finished_at,
            first_task_id,
            None if reason is None else Reason(reason),
            error,
        ),
        folded or b"",
    )
