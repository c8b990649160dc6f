"""Decodes records: what each changes in which rows, or why it goes to the dead-letter topic."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from ocrstream_recorder.rules.fingerprints import fingerprint
from ocrstream_recorder.rules.rejection import Rejection, RejectionReason
from ocrstream_recorder.rules.row_changes import (
    RowChanges,
    ToLocal,
    changes_of,
    changes_of_dead_letter,
)
from ocrstream_runtime.kafka import RawRecord, record_ref
from ocrstream_schemas.codec import decode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.salvage import salvage


class DecodedRecord(NamedTuple):
    """A record and its changes of rows; a rejected one may still fail the chain that it names."""

    record: RawRecord
    changes: RowChanges | None
    rejection: Rejection | None = None

    @property
    def known(self) -> bool:
        """Whether its fingerprint is stored, so that it changes nothing."""
        return self.changes is None and self.rejection is None

    @property
    def contributes_rows(self) -> bool:
        """Whether the database stores anything that the record contains."""
        rejection = self.rejection
        return self.changes is not None or (
            rejection is not None
            and (rejection.chain_id is not None or rejection.batch_id is not None)
        )


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
    record_fingerprint = fingerprint(record.topic, record.value, ref, record.timestamp)
    if record_fingerprint in known:
        return DecodedRecord(record, None)
    try:
        event = decode(record.topic, record.value, ref, record.timestamp)
    except InvalidRecordError as error:
        return reject_record(record, "invalid", str(error))
    changes = changes_of(event, to_local)
    return DecodedRecord(record, msgspec.structs.replace(changes, fingerprint=record_fingerprint))


def reject_record(record: RawRecord, reason: RejectionReason, error: str) -> DecodedRecord:
    """A record that cannot be applied as it is: the chain it names, if it does, has failed."""
    image, batch_id = salvage(record.topic, record.value, record_ref(record))
    if image is None:
        return DecodedRecord(record, None, Rejection(reason, error, batch_id=batch_id))
    rejection = Rejection(reason, error, image.chain_id, batch_id)
    return DecodedRecord(record, changes_of_dead_letter(image), rejection)


def reject_unreadable(record: RawRecord, rejection: Rejection) -> DecodedRecord:
    """A record of which not even what it names can be stored: it counts nowhere."""
    return DecodedRecord(record, None, Rejection(rejection.reason, rejection.error))
