"""One image's chain of tasks: what is known of it, and its outcome from its tasks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from ocrstream_recorder.rules.description import Description
from ocrstream_recorder.rules.lattice import greatest, least
from ocrstream_recorder.rules.status import DONE, ProcessStatus
from ocrstream_recorder.rules.task import TaskState
from ocrstream_schemas.events import Reason

DEFAULT_INITIATOR = "batch_ocr"


class ChainFields(NamedTuple):
    """What describes a chain; `options` is canonical JSON."""

    chain_name: str | None = None
    initiated_by: str | None = None
    image_index: int | None = None
    image_path: str | None = None
    public_path: str | None = None
    source_name: str | None = None
    page: int | None = None
    options: msgspec.Raw | None = None


class ChainState(msgspec.Struct, frozen=True):
    """What events say of a chain itself. `run` is the highest seen, `total_tasks` the greatest.

    Of several batches named the least owns the chain.
    """

    chain_id: str
    batch_id: str | None
    run: int
    total_tasks: int
    description: Description[ChainFields]

    def join(self, other: "ChainState") -> "ChainState":
        """The state after both."""
        if self == other:
            return self
        return ChainState(
            self.chain_id,
            least(self.batch_id, other.batch_id),
            max(self.run, other.run),
            max(self.total_tasks, other.total_tasks),
            self.description.join(other.description),
        )

    @property
    def fields(self) -> ChainFields:
        """The descriptive fields; None where no event gave a value."""
        return self.description.values

    @property
    def index(self) -> int | None:
        """The image's place in its batch."""
        return self.description.values.image_index

    @property
    def name(self) -> str | None:
        """Its given name, else one after its place in the batch."""
        given = self.fields.chain_name
        if given is None and self.batch_id is not None and self.index is not None:
            return f"batch_image_{self.index}"
        return given

    @property
    def initiator(self) -> str | None:
        """Who asked for it; for an image of a batch `batch_ocr` unless an event says otherwise."""
        given = self.fields.initiated_by
        return DEFAULT_INITIATOR if given is None and self.batch_id is not None else given


class ChainOutcome(msgspec.Struct, frozen=True):
    """What follows for a chain from the tasks of its highest run.

    `reason` and `error` are those of the failed or revoked task that is least by (name, id).
    """

    status: ProcessStatus
    completed_tasks: int = 0
    failed_tasks: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    first_task_id: str | None = None
    reason: Reason | None = None
    error: str | None = None


class Chain(NamedTuple):
    """A chain with what follows from its tasks."""

    state: ChainState
    outcome: ChainOutcome


def chain_outcome(chain: ChainState, tasks: Iterable[TaskState]) -> ChainOutcome:
    """The outcome of `chain`, given all tasks that it owns.

    Those of earlier runs do not count, nor do dead letters once the others have ended the chain.
    """
    current = [task for task in tasks if task.run == chain.run]
    # A record too broken to name its task stands as a task of its own, which no real outcome of
    # that task replaces: it is the chain that lets go of it, once the others have ended it.
    applied = [task for task in current if not task.dead_lettered]
    if len(applied) < len(current) and _status_of(applied, chain) in DONE:
        current = applied
    by_status: dict[ProcessStatus, list[TaskState]] = {}
    for task in current:
        by_status.setdefault(task.status, []).append(task)
    status = _status_of(current, chain)
    completed = by_status.get(ProcessStatus.SUCCESS, [])
    failed = by_status.get(ProcessStatus.FAILURE, [])
    revoked = by_status.get(ProcessStatus.REVOKED, [])

    started_at: datetime | None = None
    for task in current:
        started_at = least(started_at, task.started_at)
    finished_at: datetime | None = None
    if status in DONE:
        for task in failed + revoked:
            finished_at = least(finished_at, task.finished_at)
        if status is ProcessStatus.SUCCESS:
            for task in completed:
                finished_at = greatest(finished_at, task.finished_at)
    culprit = min(failed or revoked, key=lambda task: (task.task_name, task.task_id), default=None)
    first = min(
        current,
        key=lambda task: (task.started_at or datetime.max, task.task_id),  # noqa: DTZ901 (no zone)
        default=None,
    )
    return ChainOutcome(
        status,
        len(completed),
        len(failed),
        started_at,
        finished_at,
        first.task_id if first else None,
        culprit.reason if culprit else None,
        culprit.error if culprit else None,
    )


def chain_status(tasks: Mapping[ProcessStatus, int], total_tasks: int) -> ProcessStatus:
    """The status of a chain of `total_tasks`, given how many of its tasks have each status."""
    completed = tasks.get(ProcessStatus.SUCCESS, 0)
    if tasks.get(ProcessStatus.FAILURE):
        return ProcessStatus.FAILURE
    if tasks.get(ProcessStatus.REVOKED):
        return ProcessStatus.REVOKED
    if completed >= total_tasks:
        return ProcessStatus.SUCCESS
    if tasks.get(ProcessStatus.RETRY):
        return ProcessStatus.RETRY
    if completed:
        return ProcessStatus.RUNNING
    if tasks.get(ProcessStatus.STARTED):
        return ProcessStatus.STARTED
    return ProcessStatus.PENDING


def _status_of(tasks: Iterable[TaskState], chain: ChainState) -> ProcessStatus:
    return chain_status(Counter([task.status for task in tasks]), chain.total_tasks)
