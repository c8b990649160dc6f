"""The queries behind the tasks' paths."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Interval, Select, func, literal, select, tuple_

from ocrstream_recorder.api.chain_models import Task, TaskGroup
from ocrstream_recorder.api.cursors import RowId, decode_cursor, decode_number
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.database.tables import ChainExecution, TaskLog
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

TaskOrder = Literal["newest", "slowest"]
TaskKey = Literal["task_name", "worker"]

MOST_GROUPS = 200

_DURATION = TaskLog.finished_at - TaskLog.started_at
_MICROSECOND = timedelta(microseconds=1)
# Clocks differ: a task may have ended before it began.
_Microseconds = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class TaskFilter(NamedTuple):
    """Which tasks; None is any. Times are of their beginning."""

    task_id: str | None = None
    chain_id: str | None = None
    task_name: str | None = None
    status: ProcessStatus | None = None
    worker: str | None = None
    reason: Reason | None = None
    min_retries: int | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None


async def tasks(
    reading: Reading, wanted: TaskFilter, order: TaskOrder, cursor: str | None, limit: int
) -> Page[Task]:
    """Tasks, the newest row first, or of those that have ended the one that took longest."""
    # Asked for as a value of its own, it is looked up for the rows of the page alone.
    chain_id = (
        select(ChainExecution.chain_id)
        .where(ChainExecution.id == TaskLog.chain_execution_id)
        .scalar_subquery()
    )
    query = _matching(reading, select(TaskLog, chain_id, _DURATION), wanted).limit(limit + 1)
    query = query.where(TaskLog.task_id.is_not(None))
    if order == "newest":
        query = query.order_by(TaskLog.id.desc())
        if cursor is not None:
            query = query.where(TaskLog.id < decode_number(cursor))
    else:
        place = tuple_(_DURATION, TaskLog.id)
        query = query.where(TaskLog.finished_at.is_not(None)).order_by(
            _DURATION.desc(), TaskLog.id.desc()
        )
        if cursor is not None:
            duration, row_id = decode_cursor(cursor, tuple[_Microseconds, RowId])
            after = tuple_(literal(duration * _MICROSECOND, Interval), literal(row_id, BigInteger))
            query = query.where(place < after)
    rows = (await reading.session.execute(query)).all()
    return page_of(
        rows,
        limit,
        lambda row: row[0].id if order == "newest" else (row[2] // _MICROSECOND, row[0].id),
        lambda row: view_of(reading, row[0], row[1]),
    )


async def summary(reading: Reading, wanted: TaskFilter, key: TaskKey) -> list[TaskGroup]:
    """Matching tasks by `key`, the largest group first; at most MOST_GROUPS."""
    column = getattr(TaskLog, key)
    counted = await reading.session.execute(
        _matching(
            reading,
            select(
                column,
                func.count(),
                func.count().filter(TaskLog.retries > 0),
                *(
                    func.percentile_disc(share).within_group(_DURATION)
                    for share in (0.5, 0.95, 1.0)
                ),
            ),
            wanted,
        )
        .group_by(column)
        .order_by(func.count().desc(), column)
        .limit(MOST_GROUPS)
    )
    largest = counted.all()
    kinds = await reading.session.execute(
        _matching(reading, select(column, TaskLog.status, TaskLog.reason, func.count()), wanted)
        .where(column.in_([row[0] for row in largest]) | column.is_(None))
        .group_by(column, TaskLog.status, TaskLog.reason)
    )
    by_status: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    by_reason: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for name, status, reason, count in kinds:
        by_status[name][status or ProcessStatus.PENDING] += count
        if reason is not None:
            by_reason[name][reason] += count
    return [
        TaskGroup(
            key=name,
            tasks=count,
            by_status=by_status[name],
            by_reason=by_reason[name],
            retried=retried,
            median_s=_seconds(median),
            p95_s=_seconds(p95),
            longest_s=_seconds(longest),
        )
        for name, count, retried, median, p95, longest in largest
    ]


def view_of(reading: Reading, row: TaskLog, chain_id: str | None) -> Task:
    """The task as it is shown."""
    duration = None
    if row.started_at is not None and row.finished_at is not None:
        duration = row.finished_at - row.started_at
    return reading.view(Task, row, chain_id=chain_id, duration_s=_seconds(duration))


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _matching(
    reading: Reading, query: Select[*tuple[Any, ...]], wanted: TaskFilter
) -> Select[*tuple[Any, ...]]:
    for column, value in (
        (TaskLog.task_id, wanted.task_id),
        (TaskLog.task_name, wanted.task_name),
        (TaskLog.status, wanted.status),
        (TaskLog.worker, wanted.worker),
        (TaskLog.reason, wanted.reason),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.chain_id is not None:
        of_chain = select(ChainExecution.id).where(ChainExecution.chain_id == wanted.chain_id)
        query = query.where(TaskLog.chain_execution_id.in_(of_chain))
    if wanted.min_retries:
        query = query.where(TaskLog.retries >= wanted.min_retries)
    return query.where(
        *reading.between(TaskLog.started_at, wanted.started_from, wanted.started_before)
    )
