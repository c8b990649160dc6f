"""Rows of task_logs, under the locks of their chains."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Cursor

from ocrstream_recorder.database.typed_rows import (
    Columns,
    TableRow,
    assignments,
    columns_of,
    records,
    rows_parameter,
    select_list,
)
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_recorder.rules.task import TaskState
from ocrstream_schemas.events import Reason


class _TaskRow(TableRow):
    task_id: Annotated[str, "text"]
    task_name: Annotated[str, "text"]
    status: Annotated[ProcessStatus, "text"]
    error: Annotated[str | None, "text"]
    started_at: Annotated[datetime | None, "timestamp"]
    finished_at: Annotated[datetime | None, "timestamp"]
    retries: Annotated[int, "int"]
    chain_execution_id: Annotated[int, "bigint"]
    run: Annotated[int, "int"]
    attempt: Annotated[int, "int"]
    reason: Annotated[Reason | None, "text"]
    worker: Annotated[str | None, "text"]


class _LoadedRow(NamedTuple):
    id: Annotated[int, "t.id"]
    task_id: Annotated[str, "t.task_id"]
    chain_id: Annotated[str, "c.chain_id"]
    task_name: Annotated[str, "t.task_name"]
    status: Annotated[str, "t.status"]
    run: Annotated[int, "t.run"]
    attempt: Annotated[int, "t.attempt"]
    retries: Annotated[int, "t.retries"]
    error: Annotated[str | None, "t.error"]
    reason: Annotated[str | None, "t.reason"]
    started_at: Annotated[datetime | None, "t.started_at"]
    finished_at: Annotated[datetime | None, "t.finished_at"]
    worker: Annotated[str | None, "t.worker"]


_COLUMNS = columns_of(_TaskRow)
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}
_NAMES = ", ".join(_COLUMNS)

_LOAD = f"""
SELECT {select_list(_LoadedRow)}
FROM task_logs t JOIN chain_executions c ON c.id = t.chain_execution_id
WHERE t.chain_execution_id = ANY(%s)
"""

_INSERT = f"""
INSERT INTO task_logs ({_NAMES}) SELECT {_NAMES} FROM {records(_COLUMNS)}
ORDER BY r.task_id COLLATE "C"
ON CONFLICT (task_id) DO NOTHING
RETURNING task_id
"""

_UPDATE = f"""
UPDATE task_logs t SET {assignments(_COLUMNS)}
FROM {records(_UPDATED)} WHERE t.id = r.id
"""

_OWNERS = """
SELECT t.task_id, t.id, c.chain_id
FROM task_logs t
LEFT JOIN chain_executions c ON c.id = t.chain_execution_id AND c.run > 0
WHERE t.task_id = ANY(%s)
"""


class StoredTask(NamedTuple):
    """A task's row."""

    id: int
    state: TaskState


def load(cursor: Cursor[Any], chain_row_ids: list[int]) -> dict[str, StoredTask]:
    """The tasks of chains that are locked, by task_id."""
    if not chain_row_ids:
        return {}
    cursor.execute(_LOAD, (chain_row_ids,))
    return {row.task_id: _stored(row) for row in map(_LoadedRow._make, cursor)}


def insert(
    cursor: Cursor[Any], tasks: Iterable[TaskState], chain_row_ids: Mapping[str, int]
) -> set[str]:
    """Insert tasks; return the ids of those that have a row already, which are left as they are."""
    rows = [_row(task, chain_row_ids) for task in tasks]
    if not rows:
        return set()
    cursor.execute(_INSERT, (rows_parameter(rows),))
    return {row.task_id for row in rows} - {task_id for (task_id,) in cursor}


def update(
    cursor: Cursor[Any],
    changed: Iterable[tuple[int, TaskState]],
    chain_row_ids: Mapping[str, int],
) -> int:
    """Write rows whose chains are locked; return how many the server wrote."""
    rows = [_row(task, chain_row_ids, row_id) for row_id, task in changed]
    if not rows:
        return 0
    return cursor.execute(_UPDATE, (rows_parameter(rows),)).rowcount


def owners(cursor: Cursor[Any], task_ids: Iterable[str]) -> dict[str, tuple[int, str | None]]:
    """Row id and owning chain of tasks by task_id; no chain for one from before the recorder."""
    cursor.execute(_OWNERS, (sorted(task_ids),))
    return {task_id: (row_id, chain_id) for task_id, row_id, chain_id in cursor}


def _row(
    task: TaskState,
    chain_row_ids: Mapping[str, int],
    row_id: int | msgspec.UnsetType = msgspec.UNSET,
) -> _TaskRow:
    return _TaskRow(
        task.task_id,
        task.task_name,
        task.status,
        task.error,
        task.started_at,
        task.finished_at,
        task.retries,
        chain_row_ids[task.chain_id],
        task.run,
        task.attempt,
        task.reason,
        task.worker,
        id=row_id,
    )


def _stored(row: _LoadedRow) -> StoredTask:
    return StoredTask(
        row.id,
        TaskState(
            row.task_id,
            row.chain_id,
            row.task_name,
            ProcessStatus(row.status),
            run=row.run,
            attempt=row.attempt,
            highest_attempt=row.retries + 1,
            error=row.error,
            reason=None if row.reason is None else Reason(row.reason),
            started_at=row.started_at,
            finished_at=row.finished_at,
            worker=row.worker,
        ),
    )
