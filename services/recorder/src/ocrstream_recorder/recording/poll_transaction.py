"""One poll, one transaction: what its events change is joined into the rows, in one fixed order.

Batch stubs, chains, tasks, images, dead letters, offsets, boxes, chain outcomes, batches, outbox;
in each table by the order of the keys. So two recorders never wait for each other in a circle, and
the batch row is locked last, because all images of the batch update it. The offsets stand between
the statements that wait for other transactions and those that only take time: the next poll of the
same partitions may begin once they are advanced.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.offsets import Partition, Span
from ocrstream_recorder.database.typed_rows import RowCount, Table
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters import register
from ocrstream_recorder.dead_letters.register import DeadLetterRow
from ocrstream_recorder.errors import ConcurrentChangeError
from ocrstream_recorder.recording import batch_counts, batch_rows, chain_rows, image_rows, task_rows
from ocrstream_recorder.recording.chain_rows import ChainRow, StoredChain
from ocrstream_recorder.recording.image_rows import LockedImages
from ocrstream_recorder.reprocessing import retries
from ocrstream_recorder.rules.chain import Chain, ChainState, chain_outcome
from ocrstream_recorder.rules.fingerprints import remember
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.task import TaskState
from ocrstream_recorder.search import index

_MAX_WIDENINGS = 10


class _TasksElsewhereError(Exception):
    """Tasks of the poll belong to chains that it did not lock."""

    def __init__(self, chain_ids: set[str]) -> None:
        super().__init__(f"tasks belong to {len(chain_ids)} other chains")
        self.chain_ids = chain_ids


class Written(NamedTuple):
    """What a poll wrote; rows that stay as they are count nowhere."""

    rows: dict[Table, RowCount]
    refused_public_paths: int
    warnings: Counter[str]
    batches_completed: int
    retries: int


class _WrittenChains(NamedTuple):
    """The chains of a poll: `new` and `inserted` (row ids) those that had no row, `stored` those
    that had one, `after` all of them after the poll.
    """

    inserted: dict[str, int]
    stored: dict[str, StoredChain]
    new: dict[str, Chain]
    after: dict[str, Chain]
    task_rows: RowCount

    def row_id(self, chain_id: str) -> int:
        row_id = self.inserted.get(chain_id)
        return self.stored[chain_id].id if row_id is None else row_id

    def in_database(self, chain_id: str) -> Chain:
        """The chain as its row has it before outcomes are written."""
        stored = self.stored.get(chain_id)
        return self.new[chain_id] if stored is None else stored.chain

    def rebatched(self) -> list[str]:
        """Chains that had a row, and which this poll moves to another batch."""
        return [
            chain_id
            for chain_id, stored in self.stored.items()
            if self.after[chain_id].state.batch_id != stored.chain.state.batch_id
        ]

    def counted(self, chain_id: str) -> Chain | None:
        """The chain as its batch counts it before this poll."""
        stored = self.stored.get(chain_id)
        return None if stored is None else stored.chain


class AdvancedPoll(NamedTuple):
    """A poll in its open transaction: its offsets are advanced, though not yet committed.

    The next poll of the same partitions may begin now; it waits for this one where it advances
    them.
    """

    cursor: Cursor[Any]
    changes: PollChanges
    zone: DatabaseZone
    chains: _WrittenChains
    images: LockedImages

    def finish_outcomes(self) -> Written:
        """Write the boxes, and what follows for chains and batches.

        Raises ConcurrentChangeError if the poll must be tried again.
        """
        cursor, changes, chains = self.cursor, self.changes, self.chains
        images = image_rows.write_boxes(cursor, self.images)
        changed = [
            self._changed_row(chain_id, after)
            for chain_id, after in chains.after.items()
            if after != chains.in_database(chain_id)
        ]
        updated = chain_rows.update(cursor, changed)
        index.queue_chains(cursor, chains.rebatched())
        inserted = len(chains.inserted)
        before_and_after = [
            (chains.counted(chain_id), after) for chain_id, after in chains.after.items()
        ]
        batches = batch_counts.write(cursor, changes.batches, before_and_after, self.zone)
        if batches is None:
            raise ConcurrentChangeError
        requested = [
            retries.request(cursor, retry, self.zone)
            for _, retry in sorted(changes.retries.items())
        ]
        return Written(
            {
                "chains": RowCount(inserted + len(changed), inserted + updated),
                "tasks": chains.task_rows,
                "images": images.rows,
                "boxes": images.boxes,
                "batches": batches.rows,
            },
            images.refused_public_paths,
            images.warnings,
            batches.completed,
            sum(requested),
        )

    def _changed_row(self, chain_id: str, chain: Chain) -> ChainRow:
        """The chain's row; written anyway, it also keeps what this poll folds into the chain."""
        stored = self.chains.stored.get(chain_id)
        kept = remember(
            stored.fingerprints if stored else b"", self.changes.fingerprints.get(chain_id, ())
        )
        return chain_rows.row_of(chain, kept, self.chains.row_id(chain_id))


@contextmanager
def advance_offsets(
    connection: Connection[Any],
    changes: PollChanges,
    zone: DatabaseZone,
    cluster_id: str,
    spans: Mapping[Partition, Span],
    *,
    dead_letters: Sequence[DeadLetterRow] = (),
) -> Generator[AdvancedPoll]:
    """Begin the poll's transaction and do all of it that may have to wait for other transactions,
    the offsets last; `finish_outcomes` does the rest.

    The transaction is committed at the end of the `with` block, or undone if that raises. Nothing
    in the block may wait for other work of this process: the rows are locked.

    Raises OffsetsMovedError if another owner wrote these records, ConcurrentChangeError if the poll
    must be tried again, psycopg.Error for whatever else the database reports.
    """
    widened: set[str] = set()
    for _ in range(_MAX_WIDENINGS):
        try:
            with connection.transaction(), connection.cursor() as cursor:
                chains = _write_chains(cursor, changes, widened)
                images = image_rows.write_rows(cursor, changes.images)
                register.write(cursor, cluster_id, dead_letters)
                offsets.advance(cursor, cluster_id, spans)
                yield AdvancedPoll(cursor, changes, zone, chains, images)
                return
        except _TasksElsewhereError as found:
            widened |= found.chain_ids
    raise ConcurrentChangeError


def _write_chains(cursor: Cursor[Any], changes: PollChanges, widened: set[str]) -> _WrittenChains:
    """Insert and lock chains, and write their tasks; outcomes of chains that had a row wait."""
    batch_rows.insert_stubs(cursor, changes.batches)
    # Asked first, for most have a row: to make rows that only conflict would cost more.
    known_chains = chain_rows.known(cursor, changes.chains)
    new_chains = {
        chain_id: _chain_of(changes.chains[chain_id], tasks.values())
        for chain_id, tasks in changes.tasks_by_chain().items()
        if chain_id not in known_chains
    }
    inserted = chain_rows.insert_new(
        cursor, [_new_row(chain, changes) for chain in new_chains.values()]
    )
    wanted = (changes.chains.keys() - inserted.keys()) | widened
    stored = chain_rows.lock(cursor, wanted)
    if stored.keys() != wanted:
        raise ConcurrentChangeError
    row_ids = inserted | {chain_id: chain.id for chain_id, chain in stored.items()}

    known_tasks = task_rows.load(cursor, [chain.id for chain in stored.values()])
    joined: dict[str, TaskState] = {task_id: task.state for task_id, task in known_tasks.items()}
    for task_id, state in changes.tasks.items():
        joined[task_id] = joined[task_id].join(state) if task_id in joined else state
    new_tasks = [task for task_id, task in joined.items() if task_id not in known_tasks]
    changed = [
        (row.id, joined[task_id])
        for task_id, row in known_tasks.items()
        if joined[task_id] is not row.state and joined[task_id] != row.state
    ]
    taken = task_rows.insert(cursor, new_tasks, row_ids)
    changed += _taken_over(cursor, joined, taken)
    inserted_tasks = len(new_tasks) - len(taken)
    updated_tasks = task_rows.update(cursor, changed, row_ids)

    # A task that went over to another chain changes two of them.
    touched = {task.chain_id for task in new_tasks} | {task.chain_id for _, task in changed}
    touched |= {
        known_tasks[task.task_id].state.chain_id
        for _, task in changed
        if task.task_id in known_tasks
    }
    after = _after(changes, stored, row_ids.keys(), joined.values(), touched)
    written_tasks = RowCount(inserted_tasks + len(changed), inserted_tasks + updated_tasks)
    return _WrittenChains(inserted, stored, new_chains, after, written_tasks)


def _chain_of(state: ChainState, tasks: Iterable[TaskState]) -> Chain:
    return Chain(state, chain_outcome(state, tasks))


def _new_row(chain: Chain, changes: PollChanges) -> ChainRow:
    return chain_rows.row_of(
        chain, remember(b"", changes.fingerprints.get(chain.state.chain_id, ()))
    )


def _after(
    changes: PollChanges,
    stored: Mapping[str, StoredChain],
    chain_ids: Iterable[str],
    tasks: Iterable[TaskState],
    touched: set[str],
) -> dict[str, Chain]:
    """The chains after this poll; one that it does not change stays the same object."""
    by_chain: defaultdict[str, list[TaskState]] = defaultdict(list)
    for task in tasks:
        by_chain[task.chain_id].append(task)
    after: dict[str, Chain] = {}
    for chain_id in chain_ids:
        before = stored.get(chain_id)
        state = _joined_chain(before, changes.chains.get(chain_id))
        if before is not None and state == before.chain.state and chain_id not in touched:
            after[chain_id] = before.chain
        else:
            after[chain_id] = _chain_of(state, by_chain[chain_id])
    return after


def _joined_chain(stored: StoredChain | None, change: ChainState | None) -> ChainState:
    if stored is None:
        assert change is not None  # noqa: S101 (a chain in scope is stored, or the poll changes it)
        return change
    return stored.chain.state if change is None else stored.chain.state.join(change)


def _taken_over(
    cursor: Cursor[Any], joined: Mapping[str, TaskState], taken: set[str]
) -> list[tuple[int, TaskState]]:
    """Rows of tasks from before the recorder; those of other chains must be locked first."""
    if not taken:
        return []
    owners = task_rows.owners(cursor, taken)
    if owners.keys() != taken:
        raise ConcurrentChangeError
    elsewhere = {chain_id for _, chain_id in owners.values() if chain_id is not None}
    if elsewhere:
        raise _TasksElsewhereError(elsewhere)
    return [(row_id, joined[task_id]) for task_id, (row_id, _) in owners.items()]
