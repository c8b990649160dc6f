"""The queries behind the chains' paths."""

from typing import NamedTuple

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased

from ocrstream_recorder.api import task_views
from ocrstream_recorder.api.chain_models import Chain, ChainItem
from ocrstream_recorder.api.cursors import decode_number
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.pages import page_of
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.database.tables import ChainExecution, TaskLog
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

MOST_TASKS = 1000


class ChainFilter(NamedTuple):
    """Which chains; None is any."""

    chain_id: str | None
    chain_name: str | None
    status: ProcessStatus | None
    reason: Reason | None


async def chain(reading: Reading, chain_id: str) -> Chain | None:
    """The chain with its tasks, or None if no event told of it."""
    row = await reading.session.scalar(
        select(ChainExecution)
        .where(ChainExecution.chain_id == chain_id)
        .order_by(ChainExecution.run.desc(), ChainExecution.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    tasks = await reading.session.scalars(
        select(TaskLog)
        .where(TaskLog.chain_execution_id == row.id, TaskLog.task_id.is_not(None))
        .order_by(TaskLog.run, TaskLog.started_at, TaskLog.id)
        .limit(MOST_TASKS)
    )
    return reading.view(
        Chain, row, tasks=[task_views.view_of(reading, task, chain_id) for task in tasks]
    )


async def chains(
    reading: Reading, wanted: ChainFilter, cursor: str | None, limit: int
) -> Page[ChainItem]:
    """Chains, those heard of last first."""
    query = visible_chains().order_by(ChainExecution.id.desc()).limit(limit + 1)
    for column, value in (
        (ChainExecution.chain_id, wanted.chain_id),
        (ChainExecution.chain_name, wanted.chain_name),
        (ChainExecution.status, wanted.status),
        (ChainExecution.reason, wanted.reason),
    ):
        if value is not None:
            query = query.where(column == value)
    if cursor is not None:
        query = query.where(ChainExecution.id < decode_number(cursor))
    rows = (await reading.session.scalars(query)).all()
    return page_of(rows, limit, lambda row: row.id, lambda row: reading.view(ChainItem, row))


def visible_chains() -> Select[ChainExecution]:
    """All chains; one from before the recorder is hidden by one of its id that events told of.

    One without an id cannot be named, so it is left out.
    """
    newer = aliased(ChainExecution)
    return select(ChainExecution).where(
        ChainExecution.chain_id.is_not(None),
        (ChainExecution.run > 0)
        | ~exists().where(newer.chain_id == ChainExecution.chain_id, newer.run > 0),
    )
