"""When a batch is to be cancelled because its deadline passes."""

from datetime import datetime


def cancel_due_at(
    deadline: datetime | None,
    *,
    ended: bool,
    run: int,
    run_began_at: datetime | None,
) -> datetime | None:
    """The instant to cancel the batch's current run at; None: there is nothing to cancel.

    A deadline holds for the run that it was set for and for retries that begin before it. One that
    begins after it was requested by somebody who knew the deadline, so it has none.
    """
    if deadline is None or ended:
        return None
    if run > 1 and run_began_at is not None and run_began_at >= deadline:
        return None
    return deadline
