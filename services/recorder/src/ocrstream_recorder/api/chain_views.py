"""The queries behind the chains' paths."""

from sqlalchemy import select

from ocrstream_recorder.api.chain_models import Chain, Task
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.store.tables import ChainExecution, TaskLog


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
        .where(TaskLog.chain_execution_id == row.id)
        .order_by(TaskLog.run, TaskLog.id)
    )
    return reading.view(
        Chain, row, tasks=[reading.view(Task, task, chain_id=chain_id) for task in tasks]
    )
