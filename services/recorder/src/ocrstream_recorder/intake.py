"""Raw records judged: what each says of the rows, or why it belongs into the dead-letter topic."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

import msgspec

from ocrstream_recorder.domain.contribution import (
    Contribution,
    ToLocal,
    contribute,
    contribute_dead_letter,
)
from ocrstream_recorder.domain.folded import fingerprint
from ocrstream_runtime.kafka import RawRecord, record_ref
from ocrstream_schemas.codec import decode
from ocrstream_schemas.errors import InvalidRecordError
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

    @property
    def known(self) -> bool:
        """Whether it was folded before, and has nothing to say any more."""
        return self.contribution is None and self.rejection is None


def chains_named_by(records: Iterable[RawRecord]) -> set[str]:
    """The chains that may keep fingerprints of these records; keys are all there is to go by."""
    keys = {record.key for record in records if record.key}
    # No text in the database holds NUL.
    return {key.decode(errors="replace").replace("\0", "") for key in keys}


def judge(record: RawRecord, to_local: ToLocal, known: AbstractSet[bytes] = frozenset()) -> Judged:
    """Decode a record, unless its fingerprint is `known`; one that is no event is rejected."""
    ref = record_ref(record)
    mark = fingerprint(record.topic, record.value, ref)
    if mark in known:
        return Judged(record, None)
    try:
        event = decode(record.topic, record.value, ref)
    except InvalidRecordError as error:
        return reject(record, "invalid", str(error))
    said = contribute(event, to_local)
    return Judged(record, msgspec.structs.replace(said, fingerprint=mark))


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
