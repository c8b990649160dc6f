"""Decodes records: what each one changes in which rows, or why it goes to the dead-letter topic."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from ocrstream_recorder.dead_letters.rejection import Rejection, RejectionReason
from ocrstream_recorder.rules.fingerprints import fingerprint
from ocrstream_recorder.rules.row_changes import (
    RowChanges,
    ToLocal,
    changes_of,
    changes_of_dead_letter,
)
from ocrstream_runtime.kafka import RawRecord, record_ref
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.salvage import salvage, salvage_batch_id


class DecodedRecord(NamedTuple):
    """A record and its changes of rows; a rejected one may still fail the chain that it names."""

    record: RawRecord
    changes: RowChanges | None
    rejection: Rejection | None = None

    @property
    def known(self) -> bool:
        """Whether its fingerprint is stored, so that it changes nothing."""
        return self.changes is None and self.rejection is None


def chains_named_by(records: Iterable[RawRecord]) -> set[str]:
    """The chains that may keep fingerprints of these records; keys are all there is to go by."""
    keys = {record.key for record in records if record.key}
    # No text in the database holds NUL.
    return {key.decode(errors="replace").replace("\0", "") for key in keys}


def decode_record(
    record: RawRecord, to_local: ToLocal, known: AbstractSet[bytes] = frozenset()
) -> DecodedRecord:
    """Decode a record, unless its fingerprint is `known`; one that is no event is rejected."""
    ref = record_ref(record)
    mark = fingerprint(record.topic, record.value, ref)
    if mark in known:
        return DecodedRecord(record, None)
    try:
        event = decode(record.topic, record.value, ref)
    except InvalidRecord as error:
        return reject_record(record, "invalid", str(error))
    said = changes_of(event, to_local)
    return DecodedRecord(record, msgspec.structs.replace(said, fingerprint=mark))


def reject_record(record: RawRecord, reason: RejectionReason, error: str) -> DecodedRecord:
    """A record that cannot be applied as it is: the chain it names, if it does, has failed."""
    salvaged = salvage(record.topic, record.value, record_ref(record))
    if salvaged is None:
        batch_id = salvage_batch_id(record.value)
        return DecodedRecord(record, None, Rejection(reason, error, batch_id=batch_id))
    rejection = Rejection(reason, error, salvaged.chain_id, salvaged.batch_id)
    return DecodedRecord(record, changes_of_dead_letter(salvaged), rejection)


def reject_unreadable(record: RawRecord, rejection: Rejection) -> DecodedRecord:
    """A record of which not even what it names can be stored: it counts nowhere."""
    return DecodedRecord(record, None, Rejection(rejection.reason, rejection.error))
