"""The queries behind the tasks' paths."""

from sqlalchemy import select

from ocrstream_recorder.api.chain_models import Task
from ocrstream_recorder.api.cursors import decode_cursor
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.store.tables import ChainExecution, TaskLog


async def tasks(
    reading: Reading,
    *,
    chain_id: str | None,
    task_name: str | None,
    status: str | None,
    cursor: str | None,
    limit: int,
) -> Page[Task]:
    """Tasks, the newest row first."""
    query = (
        select(TaskLog, ChainExecution.chain_id)
        .outerjoin(ChainExecution, ChainExecution.id == TaskLog.chain_execution_id)
        .order_by(TaskLog.id.desc())
        .limit(limit + 1)
    )
    if chain_id is not None:
        query = query.where(ChainExecution.chain_id == chain_id)
    if task_name is not None:
        query = query.where(TaskLog.task_name == task_name)
    if status is not None:
        query = query.where(TaskLog.status == status)
    if cursor is not None:
        query = query.where(TaskLog.id < decode_cursor(cursor, int))
    rows = (await reading.session.execute(query)).all()
    return page_of(
        rows,
        limit,
        lambda row: row[0].id,
        lambda row: reading.view(Task, row[0], chain_id=row[1]),
    )
