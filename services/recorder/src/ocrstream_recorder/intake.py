"""Raw records judged: what each says of the rows, or why it belongs into the dead-letter topic."""

from typing import Literal, NamedTuple

from ocrstream_recorder.domain.contribution import (
    Contribution,
    ToLocal,
    contribute,
    contribute_dead_letter,
)
from ocrstream_runtime.kafka import RawRecord, record_ref
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.salvage import salvage, salvage_batch_id

RejectionReason = Literal["invalid", "refused_by_database"]


class Rejection(NamedTuple):
    """Why a record cannot be applied; `error` tells what happened.

    Chain and batch are those that it names, if that can be read.
    """

    reason: RejectionReason
    error: str
    chain_id: str | None = None
    batch_id: str | None = None


class Judged(NamedTuple):
    """A record and what it says; a rejected one may still say which chain it fails."""

    record: RawRecord
    contribution: Contribution | None
    rejection: Rejection | None = None


def judge(record: RawRecord, to_local: ToLocal) -> Judged:
    """Decode a record; one that is no event of its topic is rejected."""
    try:
        event = decode(record.topic, record.value, record_ref(record))
    except InvalidRecord as error:
        return reject(record, "invalid", str(error))
    return Judged(record, contribute(event, to_local))


def reject(record: RawRecord, reason: RejectionReason, error: str) -> Judged:
    """A record that cannot be applied as it is: the chain it names, if it does, has failed."""
    salvaged = salvage(record.topic, record.value, record_ref(record))
    if salvaged is None:
        batch_id = salvage_batch_id(record.value)
        return Judged(record, None, Rejection(reason, error, batch_id=batch_id))
    rejection = Rejection(reason, error, salvaged.chain_id, salvaged.batch_id)
    return Judged(record, contribute_dead_letter(salvaged), rejection)


def reject_unread(record: RawRecord, rejection: Rejection) -> Judged:
    """A record of which not even what it names can be stored: it counts nowhere."""
    return Judged(record, None, Rejection(rejection.reason, rejection.error))
