"""The paths about tasks."""

from fastapi import APIRouter

from ocrstream_recorder.api import task_views
from ocrstream_recorder.api.chain_models import Task
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Text
from ocrstream_recorder.api.reading import Reads
from ocrstream_recorder.domain.status import ProcessStatus

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("")
async def read_tasks(
    reading: Reads,
    *,
    chain_id: Text = None,
    task_name: Text = None,
    status: ProcessStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Task]:
    """Tasks, the newest first."""
    return await task_views.tasks(
        reading, chain_id=chain_id, task_name=task_name, status=status, cursor=cursor, limit=limit
    )
