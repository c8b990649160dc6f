"""Why a record cannot be applied."""

from typing import Literal, NamedTuple

RejectionReason = Literal["invalid", "refused_by_database"]


class Rejection(NamedTuple):
    """Why a record cannot be applied; `error` says what happened.

    Chain and batch are those that the record names, if that can be read.
    """

    reason: RejectionReason
    error: str
    chain_id: str | None = None
    batch_id: str | None = None
