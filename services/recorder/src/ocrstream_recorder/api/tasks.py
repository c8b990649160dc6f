"""Tasks: `/v1/tasks`, and their outcomes by name or worker."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Interval,
    String,
    any_,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from ocrstream_recorder.api.http import Moment, Text, with_example
from ocrstream_recorder.api.paging import (
    Cursor,
    Limit,
    Page,
    RowId,
    decode_cursor,
    decode_number,
    page_of,
)
from ocrstream_recorder.api.queries import FilterQuery, GeneralQueries
from ocrstream_recorder.api.rows import columns_of, of_kind, row_to_model
from ocrstream_recorder.database.tables import BatchExecution, ChainExecution, TaskLog
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.events import Reason

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

TaskOrder = Literal["newest", "slowest"]
TaskKey = Literal["task_name", "worker"]

MAX_GROUPS = 200

TASK_EXAMPLE: dict[str, Any] = {
    "task_id": "0d4a9c5e-0a53-5c0e-8f58-6b8a5b1f2c33",
    "task_name": "ocr",
    "status": "SUCCESS",
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "run": 1,
    "attempt": 1,
    "retries": 0,
    "reason": None,
    "error": None,
    "worker": "worker-1",
    "started_at": "2026-05-01T12:00:01Z",
    "finished_at": "2026-05-01T12:00:02.5Z",
    "duration_s": 1.5,
    "created_at": "2026-05-01T12:00:01Z",
    "updated_at": "2026-05-01T12:00:03Z",
}


class Task(BaseModel):
    """One task of a chain."""

    model_config = with_example(**TASK_EXAMPLE)

    task_id: str
    task_name: str | None
    status: str | None
    chain_id: str | None
    run: int
    attempt: int
    retries: int
    reason: str | None
    error: str | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    """From start to end, by the clock of the worker or stage."""
    created_at: datetime
    updated_at: datetime


class TaskItem(Task):
    """One task, with the image and the batch of its chain."""

    model_config = with_example(
        **TASK_EXAMPLE,
        batch_id="b-1",
        batch_name="scans of May",
        image_path="file:///data/a.png",
        source_name="a.png",
        page=None,
    )

    batch_id: str | None
    batch_name: str | None
    image_path: str | None
    source_name: str | None
    """The name of the file that the user submitted."""
    page: int | None
    """The page of that file, if it is a document."""


class TaskGroup(BaseModel):
    """The outcomes of the tasks with one name, or of one worker, that started in a time range."""

    model_config = with_example(
        key="ocr",
        tasks=1200,
        by_status={"SUCCESS": 1190, "FAILURE": 8, "STARTED": 2},
        by_reason={"no_text": 5, "not_found": 3},
        retried=4,
        median_s=0.4,
        p95_s=1.9,
        longest_s=6.2,
    )

    key: str | None
    tasks: int
    by_status: dict[str, int]
    by_reason: dict[str, int]
    """Failed and revoked tasks by reason."""
    retried: int
    """Tasks that took more than one attempt."""
    median_s: float | None
    p95_s: float | None
    longest_s: float | None
    """Durations of the ended tasks, by the clocks of the workers or stages."""


@router.get("")
async def read_tasks(
    queries: GeneralQueries,
    *,
    task_id: Text = None,
    chain_id: Text = None,
    batch_id: Text = None,
    task_name: Text = None,
    status: ProcessStatus | None = None,
    worker: Text = None,
    reason: Reason | None = None,
    min_retries: Annotated[int | None, Query(ge=1, le=1000)] = None,
    started_from: Moment | None = None,
    started_before: Moment | None = None,
    order: TaskOrder = "newest",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[TaskItem]:
    """Tasks, the newest first, or the slowest of those that started at `started_from` or later."""
    if order == "slowest" and started_from is None:
        raise ProblemError(
            422,
            "The request breaks its schema",
            "query started_from: order=slowest needs it, to bound the tasks that it sorts",
        )
    parameters: dict[str, Any] = {
        "task_id": task_id,
        "chain_id": chain_id,
        "batch_id": batch_id,
        "task_name": task_name,
        "status": status,
        "worker": worker,
        "reason": reason,
        "min_retries": min_retries,
        "started_from": queries.local(started_from),
        "started_before": queries.local(started_before),
        "rows": limit + 1,
    }
    if order == "newest":
        parameters["before_id"] = decode_number(cursor)
    elif cursor is not None:
        duration, row_id = decode_cursor(cursor, tuple[_Microseconds, RowId])
        parameters |= {"duration": duration * _MICROSECOND, "before_id": row_id}
    rows = await queries.rows(_NEWEST if order == "newest" else _SLOWEST, parameters)
    return page_of(
        rows,
        limit,
        lambda row: row.id if order == "newest" else (row.duration // _MICROSECOND, row.id),
        lambda row: _task_item(row, queries.zone),
    )


@router.get("/summary")
async def read_task_summary(
    queries: GeneralQueries,
    *,
    started_from: Moment,
    started_before: Moment | None = None,
    task_name: Text = None,
    worker: Text = None,
    key: TaskKey = "task_name",
) -> Page[TaskGroup]:
    """The outcomes of tasks that started in a time range, by name or worker; always one page.

    The largest group comes first; at most 200 groups.
    """
    parameters: dict[str, Any] = {
        "started_from": queries.local(started_from),
        "started_before": queries.local(started_before),
        "task_name": task_name,
        "worker": worker,
    }
    groups = await queries.rows(_GROUPS[key], parameters)
    outcomes = await queries.rows(
        _OUTCOMES[key], {**parameters, "keys": [group.key for group in groups]}
    )
    by_status: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    by_reason: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for row in outcomes:
        by_status[row.key][row.status or ProcessStatus.PENDING] += row.tasks
        if row.reason is not None:
            by_reason[row.key][row.reason] += row.tasks
    items = [
        TaskGroup(
            key=group.key,
            tasks=group.tasks,
            by_status=by_status[group.key],
            by_reason=by_reason[group.key],
            retried=group.retried,
            median_s=_seconds(group.median),
            p95_s=_seconds(group.p95),
            longest_s=_seconds(group.longest),
        )
        for group in groups
    ]
    return Page(items=items, next_cursor=None)


def task_of(row: Any, chain_id: str | None, zone: DatabaseZone) -> Task:
    """The task of a row with `TASK_COLUMNS`."""
    return row_to_model(
        Task, row, TaskLog, zone, chain_id=chain_id, duration_s=_seconds(_duration_of(row))
    )


def _task_item(row: Any, zone: DatabaseZone) -> TaskItem:
    data: dict[str, Any] = row.input_data if isinstance(row.input_data, dict) else {}
    return row_to_model(
        TaskItem,
        row,
        TaskLog,
        zone,
        chain_id=row.chain_id,
        duration_s=_seconds(_duration_of(row)),
        batch_id=row.batch_id,
        batch_name=row.batch_name,
        image_path=of_kind(data.get("image_path"), str),
        source_name=of_kind(data.get("source_name"), str),
        page=of_kind(data.get("page"), int),
    )


def _duration_of(row: Any) -> timedelta | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return row.finished_at - row.started_at


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


TASK_COLUMNS = columns_of(TaskLog, Task, without={"chain_id", "duration_s"})
_DURATION = TaskLog.finished_at - TaskLog.started_at
_MICROSECOND = timedelta(microseconds=1)
# Clocks differ: a task may have ended before it started.
_Microseconds = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]

# Subqueries in the column list: the server runs them for the rows of the page alone.
_OF_CHAIN = tuple(
    select(column)
    .where(ChainExecution.id == TaskLog.chain_execution_id)
    .scalar_subquery()
    .label(column.key)
    for column in (ChainExecution.chain_id, ChainExecution.batch_id, ChainExecution.input_data)
)
_BATCH_NAME = (
    select(BatchExecution.batch_name)
    .join(ChainExecution, ChainExecution.batch_id == BatchExecution.batch_id)
    .where(ChainExecution.id == TaskLog.chain_execution_id)
    .scalar_subquery()
    .label("batch_name")
)


def _tasks_where(name: str, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    chains = select(ChainExecution.id).where(column == bindparam(name))
    return TaskLog.chain_execution_id.in_(chains)


_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "task_id": TaskLog.task_id == bindparam("task_id"),
    "chain_id": _tasks_where("chain_id", ChainExecution.chain_id),
    "batch_id": _tasks_where("batch_id", ChainExecution.batch_id),
    "task_name": TaskLog.task_name == bindparam("task_name"),
    "status": TaskLog.status == bindparam("status"),
    "worker": TaskLog.worker == bindparam("worker"),
    "reason": TaskLog.reason == bindparam("reason"),
    "min_retries": TaskLog.retries >= bindparam("min_retries"),
    "started_from": TaskLog.started_at >= bindparam("started_from"),
    "started_before": TaskLog.started_at < bindparam("started_before"),
}
_before_id = bindparam("before_id", type_=BigInteger)
_tasks = (
    select(TaskLog.id, *TASK_COLUMNS, *_OF_CHAIN, _BATCH_NAME, _DURATION.label("duration"))
    .where(TaskLog.task_id.is_not(None))
    .limit(bindparam("rows", type_=BigInteger))
)
_NEWEST = FilterQuery(
    _tasks.order_by(TaskLog.id.desc()), {**_CONDITIONS, "before_id": TaskLog.id < _before_id}
)
_SLOWEST = FilterQuery(
    _tasks.where(TaskLog.finished_at.is_not(None)).order_by(_DURATION.desc(), TaskLog.id.desc()),
    {
        **_CONDITIONS,
        "duration": tuple_(_DURATION, TaskLog.id)
        < tuple_(bindparam("duration", type_=Interval), _before_id),
    },
)


def _groups_by(key: TaskKey) -> FilterQuery:
    column = getattr(TaskLog, key)
    percentiles = (
        func.percentile_disc(share).within_group(_DURATION).label(name)
        for name, share in (("median", 0.5), ("p95", 0.95), ("longest", 1.0))
    )
    return FilterQuery(
        select(
            column.label("key"),
            func.count().label("tasks"),
            func.count().filter(TaskLog.retries > 0).label("retried"),
            *percentiles,
        )
        .group_by(column)
        .order_by(func.count().desc(), column)
        .limit(MAX_GROUPS),
        _CONDITIONS,
    )


def _outcomes_by(key: TaskKey) -> FilterQuery:
    column = getattr(TaskLog, key)
    return FilterQuery(
        select(column.label("key"), TaskLog.status, TaskLog.reason, func.count().label("tasks"))
        .where((column == any_(bindparam("keys", type_=ARRAY(String)))) | column.is_(None))
        .group_by(column, TaskLog.status, TaskLog.reason),
        _CONDITIONS,
    )


_KEYS: tuple[TaskKey, ...] = ("task_name", "worker")
_GROUPS = {key: _groups_by(key) for key in _KEYS}
_OUTCOMES = {key: _outcomes_by(key) for key in _KEYS}
