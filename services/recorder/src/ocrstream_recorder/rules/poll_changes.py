"""Events folded per row: what a poll, or any set of events, changes in every row it touches."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol, TypeVar

from ocrstream_recorder.rules.batch import BatchState
from ocrstream_recorder.rules.chain import ChainState
from ocrstream_recorder.rules.image import ImageState
from ocrstream_recorder.rules.row_changes import RowChanges
from ocrstream_recorder.rules.task import TaskState
from ocrstream_schemas.events import BatchRetryRequested


class _State(Protocol):
    def join(self: "_StateT", other: "_StateT") -> "_StateT": ...


_StateT = TypeVar("_StateT", bound=_State)


class PollChanges:
    """States by key: tasks by task_id, chains by chain_id, batches by batch_id, images by path.

    Retries are by their batch and request. `fingerprints` of records are by chain_id.
    """

    def __init__(self, changes: Iterable[RowChanges] = ()) -> None:
        self.tasks: dict[str, TaskState] = {}
        self.chains: dict[str, ChainState] = {}
        self.batches: dict[str, BatchState] = {}
        self.images: dict[str, ImageState] = {}
        self.retries: dict[tuple[str, str], BatchRetryRequested] = {}
        self.fingerprints: defaultdict[str, list[bytes]] = defaultdict(list)
        for changes_of_record in changes:
            self.add(changes_of_record)

    def add(self, changes: RowChanges) -> None:
        """Fold the changes of one event in."""
        if changes.task is not None:
            _join(self.tasks, changes.task.task_id, changes.task)
        if changes.chain is not None:
            _join(self.chains, changes.chain.chain_id, changes.chain)
            if changes.fingerprint is not None:
                self.fingerprints[changes.chain.chain_id].append(changes.fingerprint)
        if changes.batch is not None:
            _join(self.batches, changes.batch.batch_id, changes.batch)
        if changes.image is not None:
            _join(self.images, changes.image.image_path, changes.image)
        if (retry := changes.retry) is not None:
            self.retries.setdefault((retry.batch_id, retry.request_id), retry)

    def tasks_by_chain(self) -> dict[str, dict[str, TaskState]]:
        """The tasks that each chain owns, by task_id."""
        by_chain: dict[str, dict[str, TaskState]] = {chain_id: {} for chain_id in self.chains}
        for task in self.tasks.values():
            by_chain[task.chain_id][task.task_id] = task
        return by_chain


def _join(states: dict[str, _StateT], key: str, state: _StateT) -> None:
    known = states.get(key)
    states[key] = state if known is None else known.join(state)
