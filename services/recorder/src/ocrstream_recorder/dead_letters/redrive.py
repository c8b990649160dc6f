"""Redrives: a dead letter is sent to its origin topic again, as it was or corrected."""

from typing import Any

import msgspec

from ocrstream_recorder.database.tables import DeadLetter
from ocrstream_recorder.dead_letters.records import DeadLetterReader, Redriver
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.errors import DeadLetterDeletedError, NotRedrivenError
from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_schemas.codec import decode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.salvage import salvage
from ocrstream_schemas.topics import RECORDED_TOPICS


async def redrive(
    row: DeadLetter | None,
    correction: dict[str, Any] | None,
    reader: DeadLetterReader,
    sender: Redriver,
) -> int | None:
    """Send a dead letter to its origin topic again; `correction` is what to send instead.

    Returns once the broker has it: the number of the redrive, which its row is then marked with; if
    that is lost it is sent again, which counts once. None: it was redriven and has not failed
    since, so it is left as it is. Raises NotRedrivenError, DeadLettersUnavailableError.
    """
    if row is None:
        raise NotRedrivenError("there is no such dead letter")
    if row.topic not in RECORDED_TOPICS:
        raise NotRedrivenError(
            f"its headers say that it came from {row.topic}, which is not recorded"
        )
    if row.state == "redriven":
        if correction is not None:
            raise NotRedrivenError("it was redriven already, and has not failed since")
        return None
    origin = origin_of_row(row)
    try:
        record = await reader.read(kept_of_row(row), origin)
    except DeadLetterDeletedError as gone:
        raise NotRedrivenError("Kafka has deleted it; submit its image again") from gone
    value = record.value
    if correction is not None:
        value = corrected(origin, value, correction)
    number = max(row.redrives, row.failed_redrive) + 1
    try:
        await sender.send(record.key, value, origin, number)
    except RecordTooLargeError as error:
        raise NotRedrivenError(f"{error}; redrive it with a smaller value") from error
    return number


def corrected(origin: RecordRef, value: bytes | None, correction: dict[str, Any]) -> bytes:
    """The correction as a record's value, about the same image as the dead letter's.

    Chain and run that the dead letter was counted under are added where they are left out. Raises
    NotRedrivenError if it is no event of the topic, or about another image.
    """
    fields = dict(correction)
    counted = salvage(origin.topic, value, origin).image
    if counted is not None:
        fields = {"chain_id": counted.chain_id, "run": counted.run, **fields}
    encoded = msgspec.json.encode(fields)
    try:
        event = decode(origin.topic, encoded, origin)
    except InvalidRecordError as error:
        raise NotRedrivenError(
            f"the corrected value is no event of {origin.topic}: {error}"
        ) from error
    chain_id = getattr(event, "chain_id", None)
    if counted is not None and chain_id != counted.chain_id:
        raise NotRedrivenError(
            f"the corrected value is about chain {chain_id!r}, the dead letter was counted under"
            f" {counted.chain_id!r}; leave chain_id out"
        )
    return encoded


def origin_of_row(row: DeadLetter) -> RecordRef:
    """The coordinates that the record first had."""
    return RecordRef(row.topic, row.partition, row.origin_offset, row.origin_timestamp_ms)


def kept_of_row(row: DeadLetter) -> Coordinates:
    """Where the record's key and value are."""
    return Coordinates(row.kept_topic, row.kept_partition, row.kept_offset)
