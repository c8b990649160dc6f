"""Chains: `/v1/chains`, and each chain with its tasks."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, exists, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from ocrstream_recorder.api.http import NOT_FOUND, Key, Text, found, with_example
from ocrstream_recorder.api.paging import Cursor, Limit, Page, decode_number, page_of
from ocrstream_recorder.api.queries import FilterQuery, GeneralQueries, SqlQuery
from ocrstream_recorder.api.rows import columns_of, row_to_model
from ocrstream_recorder.api.tasks import TASK_COLUMNS, TASK_EXAMPLE, Task, task_of
from ocrstream_recorder.database.tables import ChainExecution, TaskLog
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

router = APIRouter(prefix="/v1/chains", tags=["chains"])

MAX_TASKS = 1000

_CHAIN_EXAMPLE: dict[str, Any] = {
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "batch_id": "b-1",
    "chain_name": "batch_image_3",
    "celery_task_id": "0d4a9c5e-0a53-5c0e-8f58-6b8a5b1f2c33",
    "status": "SUCCESS",
    "run": 1,
    "total_tasks": 1,
    "completed_tasks": 1,
    "failed_tasks": 0,
    "started_at": "2026-05-01T12:00:01Z",
    "finished_at": "2026-05-01T12:00:02.5Z",
    "initiated_by": "batch_ocr",
    "input_data": {"image_path": "file:///data/a.png", "index": 3},
    "final_result": None,
    "reason": None,
    "error_message": None,
    "created_at": "2026-05-01T12:00:01Z",
    "updated_at": "2026-05-01T12:00:03Z",
}


class ChainItem(BaseModel):
    """The chain of tasks of one image."""

    model_config = with_example(**_CHAIN_EXAMPLE)

    chain_id: str
    batch_id: str | None
    chain_name: str | None
    celery_task_id: str | None
    status: str
    run: int
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    started_at: datetime | None
    finished_at: datetime | None
    initiated_by: str | None
    input_data: Any
    final_result: Any
    reason: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


class Chain(ChainItem):
    """The chain of one image with its tasks, by run and start."""

    model_config = with_example(**_CHAIN_EXAMPLE, tasks=[TASK_EXAMPLE])

    tasks: list[Task]
    """The first 1,000; `/v1/tasks?chain_id=` lists all."""


@router.get("")
async def read_chains(
    queries: GeneralQueries,
    *,
    chain_id: Text = None,
    chain_name: Text = None,
    status: ProcessStatus | None = None,
    reason: Reason | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ChainItem]:
    """Chains without their tasks, the one whose first event came last first.

    The images of a batch list the chains of that batch.
    """
    parameters = {
        "chain_id": chain_id,
        "chain_name": chain_name,
        "status": status,
        "reason": reason,
        "before_id": decode_number(cursor),
        "rows": limit + 1,
    }
    rows = await queries.rows(_CHAINS, parameters)
    return page_of(
        rows,
        limit,
        lambda row: row.id,
        lambda row: row_to_model(ChainItem, row, ChainExecution, queries.zone),
    )


@router.get("/{chain_id:segment}", responses=NOT_FOUND)
async def read_chain(chain_id: Key, queries: GeneralQueries) -> Chain:
    """The chain of one image with its tasks, by run and start."""
    row = found(await queries.first(_CHAIN, {"chain_id": chain_id}), "chain", chain_id)
    tasks = [
        task_of(task, chain_id, queries.zone) for task in await queries.rows(_TASKS, {"id": row.id})
    ]
    return row_to_model(Chain, row, ChainExecution, queries.zone, tasks=tasks)


def visible_chains(
    *columns: InstrumentedAttribute[Any] | ColumnElement[Any],
) -> Select[*tuple[Any, ...]]:
    """Columns of all chains that have an id, those hidden by a newer chain left out.

    A chain that the recorder wrote (run > 0) hides those from before the recorder with its id.
    """
    newer = aliased(ChainExecution)
    return select(*columns).where(
        ChainExecution.chain_id.is_not(None),
        (ChainExecution.run > 0)
        | ~exists().where(newer.chain_id == ChainExecution.chain_id, newer.run > 0),
    )


_COLUMNS = (ChainExecution.id, *columns_of(ChainExecution, ChainItem))
_CHAINS = FilterQuery(
    visible_chains(*_COLUMNS)
    .order_by(ChainExecution.id.desc())
    .limit(bindparam("rows", type_=BigInteger)),
    {
        "chain_id": ChainExecution.chain_id == bindparam("chain_id"),
        "chain_name": ChainExecution.chain_name == bindparam("chain_name"),
        "status": ChainExecution.status == bindparam("status"),
        "reason": ChainExecution.reason == bindparam("reason"),
        "before_id": ChainExecution.id < bindparam("before_id", type_=BigInteger),
    },
)
_CHAIN = SqlQuery(
    select(*_COLUMNS)
    .where(ChainExecution.chain_id == bindparam("chain_id"))
    .order_by(ChainExecution.run.desc(), ChainExecution.id.desc())
    .limit(1)
)
_TASKS = SqlQuery(
    select(*TASK_COLUMNS)
    .where(
        TaskLog.chain_execution_id == bindparam("id", type_=BigInteger),
        TaskLog.task_id.is_not(None),
    )
    .order_by(TaskLog.run, TaskLog.started_at, TaskLog.id)
    .limit(MAX_TASKS)
)
