"""Rows of task_logs, under the locks of their chains."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from psycopg import Cursor

from ocrstream_recorder.database.json_rows import Columns, assignments, records, rows_parameter
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_recorder.rules.task import TaskState
from ocrstream_schemas.events import Reason

_COLUMNS: Columns = {
    "task_id": "text",
    "task_name": "text",
    "status": "text",
    "error": "text",
    "started_at": "timestamp",
    "finished_at": "timestamp",
    "retries": "int",
    "chain_execution_id": "bigint",
    "run": "int",
    "attempt": "int",
    "reason": "text",
    "worker": "text",
}
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}
_NAMES = ", ".join(_COLUMNS)

_LOAD = """
SELECT t.id, t.task_id, c.chain_id, t.task_name, t.status, t.run, t.attempt, t.retries, t.error,
       t.reason, t.started_at, t.finished_at, t.worker
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
UPDATE task_logs t SET {assignments(_UPDATED, "id")}
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
    return {row[1]: _stored(row) for row in cursor}


def insert(
    cursor: Cursor[Any], tasks: Iterable[TaskState], chain_row_ids: Mapping[str, int]
) -> set[str]:
    """Insert tasks; return the ids of those that have a row already, which are left as they are."""
    rows = [_row(task, chain_row_ids) for task in tasks]
    if not rows:
        return set()
    cursor.execute(_INSERT, (rows_parameter(rows),))
    return {row["task_id"] for row in rows} - {task_id for (task_id,) in cursor}


def update(
    cursor: Cursor[Any],
    changed: Iterable[tuple[int, TaskState]],
    chain_row_ids: Mapping[str, int],
) -> int:
    """Write rows whose chains are locked; return how many the server wrote."""
    rows = [{"id": row_id, **_row(task, chain_row_ids)} for row_id, task in changed]
    if not rows:
        return 0
    return cursor.execute(_UPDATE, (rows_parameter(rows),)).rowcount


def owners(cursor: Cursor[Any], task_ids: Iterable[str]) -> dict[str, tuple[int, str | None]]:
    """Row id and owning chain of tasks by task_id; no chain for one that no event told of."""
    cursor.execute(_OWNERS, (sorted(task_ids),))
    return {task_id: (row_id, chain_id) for task_id, row_id, chain_id in cursor}


def _row(task: TaskState, chain_row_ids: Mapping[str, int]) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "task_name": task.task_name,
        "status": task.status,
        "error": task.error,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "retries": task.retries,
        "chain_execution_id": chain_row_ids[task.chain_id],
        "run": task.run,
        "attempt": task.attempt,
        "reason": task.reason,
        "worker": task.worker,
    }


def _stored(row: tuple[Any, ...]) -> StoredTask:
    row_id, task_id, chain_id, task_name, status, run, attempt, retries, error, reason = row[:10]
    started_at, finished_at, worker = row[10:]
    return StoredTask(
        row_id,
        TaskState(
            task_id,
            chain_id,
            task_name,
            ProcessStatus(status),
            run=run,
            attempt=attempt,
            highest_attempt=retries + 1,
            error=error,
            reason=None if reason is None else Reason(reason),
            started_at=started_at,
            finished_at=finished_at,
            worker=worker,
        ),
    )
