"""One task: which of all events about it holds."""

from datetime import datetime
from typing import Any

import msgspec

from ocrstream_recorder.rules.lattice import digest
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

_UNFINISHED, _DEAD_LETTERED, _REVOKED, _FAILED, _SUCCEEDED = range(5)
_RANKS = {
    ProcessStatus.SUCCESS: _SUCCEEDED,
    ProcessStatus.FAILURE: _FAILED,
    ProcessStatus.REVOKED: _REVOKED,
}


class TaskState(msgspec.Struct, frozen=True):
    """A task as the greatest event about it has it.

    `attempt` is the holding event's, `highest_attempt` the greatest seen in `run`. Times are
    without zone, in the database's.
    """

    task_id: str
    chain_id: str
    task_name: str
    status: ProcessStatus
    run: int = 1
    attempt: int = 1
    highest_attempt: int = 1
    error: str | None = None
    reason: Reason | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None

    def join(self, other: "TaskState") -> "TaskState":
        """The state after both: the greatest (run, rank, level, digest) holds.

        A task belongs to one chain. Where events disagree the least chain_id owns it, and events
        about it that name other chains do not count.
        """
        if self == other:
            return self
        if self.chain_id != other.chain_id:
            return self if self.chain_id < other.chain_id else other
        if self.run != other.run:
            return self if self.run > other.run else other
        mine, theirs = (self._rank, self._level), (other._rank, other._level)
        if mine != theirs:
            holder = self if mine > theirs else other
        else:
            holder = self if digest(self._content) >= digest(other._content) else other
        highest = max(self.highest_attempt, other.highest_attempt)
        if holder.highest_attempt == highest:
            return holder
        return msgspec.structs.replace(holder, highest_attempt=highest)

    @property
    def retries(self) -> int:
        """How many attempts came after the first."""
        return self.highest_attempt - 1

    @property
    def dead_lettered(self) -> bool:
        """Whether all that is known of its end is that a record about it could not be applied."""
        return self.status is ProcessStatus.FAILURE and self.reason is Reason.DEAD_LETTERED

    @property
    def _rank(self) -> int:
        if self.dead_lettered:
            return _DEAD_LETTERED
        return _RANKS.get(self.status, _UNFINISHED)

    @property
    def _level(self) -> int:
        # PENDING < STARTED(n) < RETRY(n) < STARTED(n + 1); among outcomes the later attempt.
        match self.status:
            case ProcessStatus.PENDING:
                return 0
            case ProcessStatus.STARTED:
                return 2 * self.attempt
            case ProcessStatus.RETRY:
                return 2 * self.attempt + 1
            case _:
                return self.attempt

    @property
    def _content(self) -> list[Any]:
        return [
            self.task_name,
            self.attempt,
            self.error,
            self.reason,
            self.started_at,
            self.finished_at,
            self.worker,
        ]
