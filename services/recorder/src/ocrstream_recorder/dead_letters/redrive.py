"""Redrives: what is sent instead of a dead letter, and what is written of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ocrstream_recorder.database.tables import DeadLetter
from ocrstream_recorder.dead_letters.records import DeadLetterReader, Redriver
from ocrstream_recorder.dead_letters.register import Coordinates
from ocrstream_recorder.errors import DeadLetterDeletedError, NotRedrivenError
from ocrstream_runtime.kafka import RecordTooLarge
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.salvage import salvage
from ocrstream_schemas.topics import RECORDED_TOPICS


class Failure(NamedTuple):
    """A dead letter that something was not done to, and why."""

    id: int
    detail: str


class Register(Protocol):
    """The rows of dead letters."""

    async def letter(self, letter_id: int, /) -> DeadLetter | None:
        """One of them."""
        ...

    async def mark_redriven(self, letter_id: int, redrive: int, /) -> None:
        """Say that its redrive of this number was sent."""
        ...


async def redrive(
    ids: Sequence[int],
    correction: dict[str, Any] | None,
    register: Register,
    reader: DeadLetterReader,
    sender: Redriver,
) -> list[Failure]:
    """Send dead letters to their origin topics again; `correction` is what to send instead.

    Each is marked once the broker has it; if that is lost it is sent again, which counts once.
    Those that were redriven and have not failed since are left as they are. Returns those that
    cannot be redriven. Raises DeadLettersUnavailableError.
    """
    failures: list[Failure] = []
    for letter_id in ids:
        try:
            await _redrive(await register.letter(letter_id), correction, register, reader, sender)
        except NotRedrivenError as why:
            failures.append(Failure(letter_id, str(why)))
    return failures


async def _redrive(
    row: DeadLetter | None,
    correction: dict[str, Any] | None,
    register: Register,
    reader: DeadLetterReader,
    sender: Redriver,
) -> None:
    if row is None:
        raise NotRedrivenError("there is no such dead letter")
    if row.topic not in RECORDED_TOPICS:
        raise NotRedrivenError(
            f"its headers say that it came from {row.topic}, which is not recorded"
        )
    if row.state == "redriven":
        if correction is not None:
            raise NotRedrivenError("it was redriven already, and has not failed since")
        return
    origin = origin_of_row(row)
    try:
        letter = await reader.read(kept_of_row(row), origin)
    except DeadLetterDeletedError as gone:
        raise NotRedrivenError("Kafka has deleted it; submit its image again") from gone
    value = letter.value
    if correction is not None:
        value = corrected(origin, value, correction)
    number = max(row.redrives, row.failed_redrive) + 1
    try:
        await sender.send(letter.key, value, origin, number)
    except RecordTooLarge as error:
        raise NotRedrivenError(f"{error}; redrive it with a smaller value") from error
    await register.mark_redriven(row.id, number)


def corrected(origin: RecordRef, value: bytes | None, correction: dict[str, Any]) -> bytes:
    """The correction as a record's value, about the same image as the dead letter's.

    Chain and run that the dead letter was counted under are added where they are left out. Raises
    NotRedrivenError if it is no event of the topic, or about another image.
    """
    fields = dict(correction)
    counted = salvage(origin.topic, value, origin)
    if counted is not None:
        fields = {"chain_id": counted.chain_id, "run": counted.run, **fields}
    encoded = msgspec.json.encode(fields)
    try:
        event = decode(origin.topic, encoded, origin)
    except InvalidRecord as error:
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
