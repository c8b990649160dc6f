"""One batch: what was announced, how many of its images ended how, and what follows."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ocrstream_recorder.rules.chain import ChainOutcome, ChainState
from ocrstream_recorder.rules.description import Description
from ocrstream_recorder.rules.lattice import greatest, least
from ocrstream_recorder.rules.status import DONE, ProcessStatus

DEFAULT_CHUNK_SIZE = 10


class BatchFields(NamedTuple):
    """What describes a batch; `options` and `input_data` are canonical JSON."""

    batch_name: str | None = None
    initiated_by: str | None = None
    options: msgspec.Raw | None = None
    input_data: msgspec.Raw | None = None
    chunk_size: int | None = None


NOTHING_ANNOUNCED = Description(BatchFields(), (0,) * len(BatchFields._fields))


class BatchState(msgspec.Struct, frozen=True):
    """What events say of a batch itself; its images are counted in a `Tally`.

    `announced_total` is the greatest by BatchSubmitted, `hinted_total` the greatest `batch_total`
    of its images; `run` the highest of any image, `revoked_run` the highest cancelled (0: none).
    `run_began_at` is when the first image of `run` was submitted.
    `first_at` and `last_at` are the extremes of all times in its events.
    """

    batch_id: str
    announced_total: int | None = None
    hinted_total: int | None = None
    run: int = 1
    revoked_run: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    description: Description[BatchFields] = NOTHING_ANNOUNCED
    run_began_at: datetime | None = None

    def join(self, other: "BatchState") -> "BatchState":
        """The state after both."""
        if self == other:
            return self
        return BatchState(
            self.batch_id,
            greatest(self.announced_total, other.announced_total),
            greatest(self.hinted_total, other.hinted_total),
            max(self.run, other.run),
            max(self.revoked_run, other.revoked_run),
            least(self.first_at, other.first_at),
            greatest(self.last_at, other.last_at),
            self.description.join(other.description),
            self._run_began_at(other),
        )

    def _run_began_at(self, other: "BatchState") -> datetime | None:
        if self.run == other.run:
            return least(self.run_began_at, other.run_began_at)
        return (self if self.run > other.run else other).run_began_at

    @property
    def fields(self) -> BatchFields:
        """The descriptive fields; None where no event gave a value."""
        return self.description.values

    @property
    def options(self) -> dict[str, Any]:
        """The options of the batch; empty if no event gave any."""
        given = self.fields.options
        options = None if given is None else msgspec.json.decode(given)
        # A batch from before the recorder may have anything there.
        return options if isinstance(options, dict) else {}

    @property
    def chunk_size(self) -> int:
        """Images per chunk."""
        return self.fields.chunk_size or DEFAULT_CHUNK_SIZE

    @property
    def cancelled(self) -> bool:
        """Whether whatever is neither completed nor failed counts as revoked."""
        return self.revoked_run >= self.run


class Tally(msgspec.Struct):
    """Images of a batch by what became of them; differences of tallies may be negative."""

    seen: int = 0
    begun: int = 0
    completed: int = 0
    failed: int = 0
    revoked: int = 0
    unindexed: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter[str])

    def count(self, chain: ChainState, outcome: ChainOutcome, times: int = 1) -> None:
        """Count an image `times` times; -1 takes back what was counted before it changed."""
        self.seen += times
        self.unindexed += times * (chain.index is None)
        match outcome.status:
            case ProcessStatus.SUCCESS:
                self.completed += times
            case ProcessStatus.FAILURE:
                self.failed += times
                if outcome.reason is not None:
                    self.reasons[outcome.reason] += times
            case ProcessStatus.REVOKED:
                self.revoked += times
            case ProcessStatus.PENDING:
                pass
            case _:
                self.begun += times

    def add(self, change: "Tally") -> "Tally":
        """The tally after a change."""
        reasons = Counter(self.reasons)
        reasons.update(change.reasons)
        return Tally(
            self.seen + change.seen,
            self.begun + change.begun,
            self.completed + change.completed,
            self.failed + change.failed,
            self.revoked + change.revoked,
            self.unindexed + change.unindexed,
            Counter({reason: count for reason, count in reasons.items() if count}),
        )

    def __bool__(self) -> bool:
        """Whether it counts anything."""
        return self != Tally(reasons=Counter(dict.fromkeys(self.reasons, 0)))


class BatchOutcome(msgspec.Struct, frozen=True):
    """What follows for a batch from its state and its tally, chunks apart."""

    status: ProcessStatus
    ended: bool
    total_known: bool
    total_images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def done_images(self) -> int:
        """Images with any outcome."""
        return self.completed_images + self.failed_images + self.revoked_images


def batch_outcome(batch: BatchState, tally: Tally) -> BatchOutcome:
    """The batch's row, as its images are counted now."""
    promised = batch.hinted_total if batch.announced_total is None else batch.announced_total
    known = promised is not None
    total = max(promised, tally.seen) if promised is not None else 0
    revoked = tally.revoked
    if batch.cancelled:
        # A cancelled batch ends at once, though its total may be unknown.
        total = max(total, tally.seen)
        revoked = total - tally.completed - tally.failed
    done = tally.completed + tally.failed + revoked
    ended = batch.cancelled or (known and done == total)
    return BatchOutcome(
        _status(ended, done, revoked, tally),
        ended,
        known,
        total,
        tally.completed,
        tally.failed,
        revoked,
        batch.first_at,
        batch.last_at if ended else None,
    )


def _status(ended: bool, done: int, revoked: int, tally: Tally) -> ProcessStatus:
    if ended:
        if revoked:
            return ProcessStatus.REVOKED
        return ProcessStatus.FAILURE if tally.failed else ProcessStatus.SUCCESS
    if done:
        return ProcessStatus.RUNNING
    return ProcessStatus.STARTED if tally.begun else ProcessStatus.PENDING


def progress_percentage(outcome: BatchOutcome) -> float:
    """Share of images with an outcome, 0 to 100; 0 while the total is unknown."""
    if not outcome.total_known and not outcome.ended:
        return 0.0
    if outcome.total_images == 0:
        return 100.0 if outcome.ended else 0.0
    return 100.0 * outcome.done_images / outcome.total_images


class ChunkTally(msgspec.Struct):
    """Images of one chunk: `succeeded` of those `done`."""

    succeeded: int = 0
    done: int = 0

    def count(self, outcome: ChainOutcome, times: int = 1) -> None:
        """Count an image `times` times."""
        self.succeeded += times * (outcome.status is ProcessStatus.SUCCESS)
        self.done += times * (outcome.status in DONE)


class ChunkCounts(msgspec.Struct, frozen=True):
    """Chunks of a batch by outcome."""

    total: int = 0
    completed: int = 0
    failed: int = 0


def countable_chunks(chunk_size: int, tally: Tally, outcome: BatchOutcome) -> int:
    """How many chunks the batch has: 0 while the total is unknown or an image has no index."""
    if tally.unindexed or not outcome.total_known:
        return 0
    return -(-outcome.total_images // chunk_size)


def chunk_counts(
    batch: BatchState, tally: Tally, outcome: BatchOutcome, chunks: Mapping[int, ChunkTally]
) -> ChunkCounts:
    """Chunks by outcome, given what became of the images in each chunk that has any done."""
    total = countable_chunks(batch.chunk_size, tally, outcome)
    completed = failed = 0
    for number, chunk in chunks.items():
        succeeded, done = chunk_ended(number, chunk, batch.chunk_size, outcome.total_images)
        completed += succeeded
        failed += done and not succeeded
    if not total:
        return ChunkCounts()
    # At the end nothing is left to wait for: not even an image whose index lies beyond the total.
    return ChunkCounts(total, completed, total - completed if outcome.ended else failed)


def chunk_ended(
    number: int, chunk: ChunkTally, chunk_size: int, total_images: int
) -> tuple[bool, bool]:
    """Whether all images of a chunk succeeded, and whether all are done.

    The last chunk may be short; one beyond the total has no images and never ends.
    """
    size = min(chunk_size, total_images - number * chunk_size)
    if size <= 0:
        return False, False
    return chunk.succeeded >= size, chunk.done >= size
