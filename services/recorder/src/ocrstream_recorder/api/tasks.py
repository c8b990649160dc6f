"""The paths about tasks."""

from typing import Annotated

from fastapi import APIRouter, Query

from ocrstream_recorder.api import task_views
from ocrstream_recorder.api.chain_models import Task, TaskGroup
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Moment, Text
from ocrstream_recorder.api.reading import Reads
from ocrstream_recorder.api.task_views import TaskFilter, TaskKey, TaskOrder
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.events import Reason

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("")
async def read_tasks(
    reading: Reads,
    *,
    task_id: Text = None,
    chain_id: Text = None,
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
) -> Page[Task]:
    """Tasks, the newest first, or the slowest of those that began from `started_from` on."""
    if order == "slowest" and started_from is None:
        raise Problem(
            422,
            "The request breaks its schema",
            "query started_from: order=slowest needs it, to look at no more than it must",
        )
    wanted = TaskFilter(
        task_id,
        chain_id,
        task_name,
        status,
        worker,
        reason,
        min_retries,
        started_from,
        started_before,
    )
    return await task_views.tasks(reading, wanted, order, cursor, limit)


@router.get("/summary")
async def read_task_summary(
    reading: Reads,
    *,
    started_from: Moment,
    started_before: Moment | None = None,
    task_name: Text = None,
    worker: Text = None,
    key: TaskKey = "task_name",
) -> Page[TaskGroup]:
    """What became of tasks that began in a time, by their name or worker; always one page."""
    wanted = TaskFilter(
        task_name=task_name,
        worker=worker,
        started_from=started_from,
        started_before=started_before,
    )
    return Page(items=await task_views.summary(reading, wanted, key), next_cursor=None)
