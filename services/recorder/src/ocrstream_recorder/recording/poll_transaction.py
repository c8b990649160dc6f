"""One poll, one transaction: what its events say is joined into the rows, in one fixed order.

Batch stubs, chains, tasks, images, dead letters, offsets, boxes, chain outcomes, batches, outbox;
in each table by the order of the keys. So two recorders never wait for each other in a circle, and
a batch's row, which all its images meet at, is locked last and shortly. The offsets stand between
what has to wait for others and what only takes time: the next poll of the same partitions may get
there meanwhile.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.json_rows import RowCount, Table
from ocrstream_recorder.database.offsets import Partition, Span
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters import register
from ocrstream_recorder.dead_letters.register import DeadLetterRow
from ocrstream_recorder.errors import ConcurrentChangeError
from ocrstream_recorder.recording import batch_counts, batch_rows, chain_rows, image_rows, task_rows
from ocrstream_recorder.reprocessing import retries
from ocrstream_recorder.rules.chain import ChainOutcome, ChainState, chain_outcome
from ocrstream_recorder.rules.fingerprints import remember
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.task import TaskState
from ocrstream_recorder.search import index

_MAX_WIDENINGS = 10

Chain = tuple[ChainState, ChainOutcome]


class _TasksElsewhereError(Exception):
    """Tasks of the poll belong to chains that it did not lock."""

    def __init__(self, chain_ids: set[str]) -> None:
        super().__init__(f"tasks belong to {len(chain_ids)} other chains")
        self.chain_ids = chain_ids


class Written(NamedTuple):
    """What a poll did; rows that stay as they are count nowhere."""

    rows: dict[Table, RowCount]
    refused_public_paths: int
    warnings: Counter[str]
    batches_completed: int
    retries: int


class _WrittenChains(NamedTuple):
    inserted: dict[str, int]
    stored: dict[str, chain_rows.StoredChain]
    fresh: dict[str, Chain]
    after: dict[str, Chain]
    task_rows: RowCount

    def row_id(self, chain_id: str) -> int:
        found = self.inserted.get(chain_id)
        return self.stored[chain_id].id if found is None else found

    def in_database(self, chain_id: str) -> Chain:
        """The chain as its row tells before outcomes are written."""
        stored = self.stored.get(chain_id)
        return self.fresh[chain_id] if stored is None else (stored.state, stored.outcome)

    def rebatched(self) -> list[str]:
        """Chains that were there, and which this poll knows to be of another batch."""
        return [
            chain_id
            for chain_id, was in self.stored.items()
            if self.after[chain_id][0].batch_id != was.state.batch_id
        ]

    def counted(self, chain_id: str) -> Chain | None:
        """The chain as its batch counts it before this poll."""
        stored = self.stored.get(chain_id)
        return None if stored is None else (stored.state, stored.outcome)


def write(
    connection: Connection[Any],
    ledger: PollChanges,
    zone: DatabaseZone,
    cluster_id: str,
    spans: Mapping[Partition, Span],
    *,
    letters: Sequence[DeadLetterRow] = (),
    on_fenced: Callable[[], None] = lambda: None,
) -> Written:
    """Write all that the poll's records say, register its dead letters and move its offsets, or
    nothing.

    `on_fenced` is called once the offsets are moved, though not yet committed: from then on the
    next poll of the same partitions may begin, and waits for this one where it moves them.

    Raises OffsetsMovedError if another owner wrote these records, ConcurrentChangeError if the poll
    must be tried again, psycopg.Error for whatever else the database has to say.
    """
    widened: set[str] = set()
    for _ in range(_MAX_WIDENINGS):
        try:
            with connection.transaction(), connection.cursor() as cursor:
                chained = _write_chains(cursor, ledger, widened)
                pictured = image_rows.write_rows(cursor, ledger.images)
                register.write(cursor, cluster_id, letters)
                offsets.advance(cursor, cluster_id, spans)
                on_fenced()
                return _write_outcomes(cursor, ledger, chained, pictured, zone)
        except _TasksElsewhereError as found:
            widened |= found.chain_ids
    raise ConcurrentChangeError


def _write_outcomes(
    cursor: Cursor[Any],
    ledger: PollChanges,
    chained: _WrittenChains,
    locked: image_rows.LockedImages,
    zone: DatabaseZone,
) -> Written:
    """Boxes, and what follows for chains and batches."""
    pictured = image_rows.write_boxes(cursor, locked)
    changed = [
        (chained.row_id(chain_id), _row(*after, ledger, chained.stored.get(chain_id)))
        for chain_id, after in chained.after.items()
        if after != chained.in_database(chain_id)
    ]
    updated = chain_rows.update(cursor, changed)
    index.queue_chains(cursor, chained.rebatched())
    inserted = len(chained.inserted)
    changes = [(chained.counted(chain_id), after) for chain_id, after in chained.after.items()]
    batched = batch_counts.write(cursor, ledger.batches, changes, zone)
    if batched is None:
        raise ConcurrentChangeError
    asked = [retries.request(cursor, one, zone) for _, one in sorted(ledger.retries.items())]
    return Written(
        {
            "chains": RowCount(inserted + len(changed), inserted + updated),
            "tasks": chained.tasks,
            "images": pictured.rows,
            "boxes": pictured.boxes,
            "batches": batched.rows,
        },
        pictured.refused_public_paths,
        pictured.warnings,
        batched.completed,
        sum(asked),
    )


def _write_chains(cursor: Cursor[Any], ledger: PollChanges, widened: set[str]) -> _WrittenChains:
    """Insert and lock chains, and write their tasks; outcomes of chains that were there wait."""
    batch_rows.insert_stubs(cursor, ledger.batches)
    # Asked first, for most have a row: to make rows that only conflict would cost more.
    known_chains = chain_rows.known(cursor, ledger.chains)
    fresh = {
        chain_id: (ledger.chains[chain_id], chain_outcome(ledger.chains[chain_id], said.values()))
        for chain_id, said in ledger.tasks_by_chain().items()
        if chain_id not in known_chains
    }
    inserted = chain_rows.insert_new(cursor, [_row(*chain, ledger) for chain in fresh.values()])
    wanted = (ledger.chains.keys() - inserted.keys()) | widened
    stored = chain_rows.lock(cursor, wanted)
    if stored.keys() != wanted:
        raise ConcurrentChangeError
    row_ids = inserted | {chain_id: chain.id for chain_id, chain in stored.items()}

    known = task_rows.load(cursor, [chain.id for chain in stored.values()])
    joined: dict[str, TaskState] = {task_id: task.state for task_id, task in known.items()}
    for task_id, said in ledger.tasks.items():
        joined[task_id] = joined[task_id].join(said) if task_id in joined else said
    new = [task for task_id, task in joined.items() if task_id not in known]
    changed = [
        (row.id, joined[task_id])
        for task_id, row in known.items()
        if joined[task_id] is not row.state and joined[task_id] != row.state
    ]
    taken = task_rows.insert(cursor, new, row_ids)
    changed += _taken_over(cursor, joined, taken)
    inserted_tasks = len(new) - len(taken)
    updated_tasks = task_rows.update(cursor, changed, row_ids)

    # A task that went over to another chain changes two of them.
    touched = {task.chain_id for task in new} | {task.chain_id for _, task in changed}
    touched |= {known[task.task_id].state.chain_id for _, task in changed if task.task_id in known}
    after = _after(ledger, stored, row_ids.keys(), joined.values(), touched)
    counted = RowCount(inserted_tasks + len(changed), inserted_tasks + updated_tasks)
    return _WrittenChains(inserted, stored, fresh, after, counted)


def _row(
    state: ChainState,
    outcome: ChainOutcome,
    ledger: PollChanges,
    stored: chain_rows.StoredChain | None = None,
) -> chain_rows.ChainRow:
    """The chain's row; where it is written anyway, it also keeps what this poll folds into it."""
    folded = ledger.folded.get(state.chain_id, ())
    return chain_rows.ChainRow(state, outcome, remember(stored.folded if stored else b"", folded))


def _after(
    ledger: PollChanges,
    stored: Mapping[str, chain_rows.StoredChain],
    chain_ids: Iterable[str],
    joined: Iterable[TaskState],
    touched: set[str],
) -> dict[str, Chain]:
    """The chains after this poll; those that nothing new was told of are what they were."""
    by_chain: defaultdict[str, list[TaskState]] = defaultdict(list)
    for task in joined:
        by_chain[task.chain_id].append(task)
    after: dict[str, Chain] = {}
    for chain_id in chain_ids:
        was = stored.get(chain_id)
        state = _joined_chain(was, ledger.chains.get(chain_id))
        if was is not None and state == was.state and chain_id not in touched:
            after[chain_id] = (was.state, was.outcome)
        else:
            after[chain_id] = (state, chain_outcome(state, by_chain[chain_id]))
    return after


def _joined_chain(stored: chain_rows.StoredChain | None, said: ChainState | None) -> ChainState:
    if stored is None:
        assert said is not None  # noqa: S101 (a chain in scope is stored, or the poll tells of it)
        return said
    return stored.state if said is None else stored.state.join(said)


def _taken_over(
    cursor: Cursor[Any], joined: Mapping[str, TaskState], taken: set[str]
) -> list[tuple[int, TaskState]]:
    """Rows of tasks that no event told of before; those of other chains must be locked first."""
    if not taken:
        return []
    owners = task_rows.owners(cursor, taken)
    if owners.keys() != taken:
        raise ConcurrentChangeError
    elsewhere = {chain_id for _, chain_id in owners.values() if chain_id is not None}
    if elsewhere:
        raise _TasksElsewhereError(elsewhere)
    return [(row_id, joined[task_id]) for task_id, (row_id, _) in owners.items()]
