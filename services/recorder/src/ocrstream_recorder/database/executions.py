"""What code that writes rows one by one, through the ORM, calls on them; `rules` has the rules.

Columns that follow from the counts are set with them, those that the recorder added too. Times are
the tables', without zone: `at` is when it happened, now in UTC if not given. Nothing is flushed or
locked here: where others write the same row, load it with `with_for_update()`.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ocrstream_recorder.rules.batch import (
    DEFAULT_CHUNK_SIZE,
    BatchOutcome,
    BatchState,
    Tally,
    batch_outcome,
    countable_chunks,
    progress_percentage,
)
from ocrstream_recorder.rules.chain import chain_status
from ocrstream_recorder.rules.status import DONE, ProcessStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapped


class _Execution:
    """What chains and batches have in common."""

    if TYPE_CHECKING:
        status: Mapped[str]
        started_at: Mapped[datetime | None]
        finished_at: Mapped[datetime | None]
        final_result: Mapped[Any | None]
        error_message: Mapped[str | None]

    def start_execution(self, *, at: datetime | None = None) -> None:
        """It began; the first time counts."""
        if self.started_at is None:
            self.started_at = at or _now()
        self._check_and_complete_execution(at=at)

    def complete_execution(
        self,
        success: bool = True,
        final_result: Any | None = None,
        error_message: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """It ended, whatever is counted; if it had ended this way before, that time stays."""
        self._derive()
        self._end(ProcessStatus.SUCCESS if success else ProcessStatus.FAILURE, at)
        self.final_result = final_result
        self.error_message = error_message

    def _check_and_complete_execution(self, *, at: datetime | None = None) -> None:
        """Set the status that follows from the counts, and the end with the last of them."""
        status = self._derive()
        if status in DONE:
            self._end(status, at)
        elif self.finished_at is None:
            self.status = status

    def _derive(self) -> ProcessStatus:
        """Set the columns that follow from the counts; returns the status that does."""
        raise NotImplementedError

    def _end(self, status: ProcessStatus, at: datetime | None) -> None:
        if self.finished_at is None or self.status != status:
            self.finished_at = at or _now()
        self.status = status


class ChainMethods(_Execution):
    """Methods of a chain's row."""

    if TYPE_CHECKING:
        total_tasks: Mapped[int]
        completed_tasks: Mapped[int]
        failed_tasks: Mapped[int]

    def increment_completed_tasks(self, count: int = 1, *, at: datetime | None = None) -> None:
        """`count` more tasks succeeded; the chain succeeds with the last."""
        self.completed_tasks = (self.completed_tasks or 0) + count
        self._check_and_complete_execution(at=at)

    def increment_failed_tasks(self, count: int = 1, *, at: datetime | None = None) -> None:
        """`count` more tasks failed, and so did the chain."""
        self.failed_tasks = (self.failed_tasks or 0) + count
        self._check_and_complete_execution(at=at)

    def _derive(self) -> ProcessStatus:
        tasks = {
            ProcessStatus.SUCCESS: self.completed_tasks or 0,
            ProcessStatus.FAILURE: self.failed_tasks or 0,
            ProcessStatus.STARTED: int(self.started_at is not None),
        }
        return chain_status(tasks, self.total_tasks or 1)


class BatchMethods(_Execution):
    """Methods of a batch's row."""

    if TYPE_CHECKING:
        batch_id: Mapped[str]
        total_images: Mapped[int]
        seen_images: Mapped[int]
        completed_images: Mapped[int]
        failed_images: Mapped[int]
        revoked_images: Mapped[int]
        unindexed_images: Mapped[int]
        total_chunks: Mapped[int]
        completed_chunks: Mapped[int]
        failed_chunks: Mapped[int]
        chunk_size: Mapped[int]
        total_known: Mapped[bool]
        ended: Mapped[bool]

    def increment_completed_images(self, count: int = 1, *, at: datetime | None = None) -> None:
        """`count` more images were read; the batch ends with the last of `total_images`."""
        self.completed_images = (self.completed_images or 0) + count
        self._check_and_complete_execution(at=at)

    def increment_failed_images(self, count: int = 1, *, at: datetime | None = None) -> None:
        """`count` more images failed; the batch ends with the last of `total_images`."""
        self.failed_images = (self.failed_images or 0) + count
        self._check_and_complete_execution(at=at)

    def increment_completed_chunks(self, count: int = 1) -> None:
        """In `count` more chunks all images were read."""
        self.completed_chunks = (self.completed_chunks or 0) + count

    def increment_failed_chunks(self, count: int = 1) -> None:
        """`count` more chunks are done, not all images of which were read."""
        self.failed_chunks = (self.failed_chunks or 0) + count

    def get_progress_percentage(self) -> float:
        """Share of images with an outcome, 0 to 100; 0 while the total is unknown.

        All of a batch that succeeded, whatever such code counted.
        """
        if self.status == ProcessStatus.SUCCESS:
            return 100.0
        outcome = BatchOutcome(
            # It does not count, and before the recorder anybody may have called it anything.
            ProcessStatus.PENDING,
            bool(self.ended) or self.status in DONE,
            bool(self.total_known) or bool(self.total_images),
            self.total_images or 0,
            self.completed_images or 0,
            self.failed_images or 0,
            self.revoked_images or 0,
            self.started_at,
            self.finished_at,
        )
        return min(100.0, progress_percentage(outcome))

    def _derive(self) -> ProcessStatus:
        completed, failed = self.completed_images or 0, self.failed_images or 0
        revoked = self.revoked_images or 0
        total = self.total_images or 0
        batch = BatchState(
            self.batch_id,
            # Such code says 0 for a total that it does not know.
            announced_total=total if self.total_known else total or None,
        )
        tally = Tally(
            max(self.seen_images or 0, completed + failed + revoked),
            int(self.started_at is not None),
            completed,
            failed,
            revoked,
            self.unindexed_images or 0,
        )
        outcome = batch_outcome(batch, tally)
        self.seen_images, self.total_known = tally.seen, outcome.total_known
        if outcome.total_known:
            self.total_images = outcome.total_images
            size = self.chunk_size or DEFAULT_CHUNK_SIZE
            self.total_chunks = countable_chunks(size, tally, outcome)
        return outcome.status

    def _end(self, status: ProcessStatus, at: datetime | None) -> None:
        super()._end(status, at)
        self.ended = True


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
