"""The register of dead letters: one row for each origin, written in the poll's transaction.

A row holds neither the key nor the value of the record: both stay in Kafka, at `kept`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Cursor

from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.database.typed_rows import columns_of, records, rows_parameter
from ocrstream_recorder.rules.rejection import RejectionReason
from ocrstream_schemas.ids import RecordRef


class Coordinates(NamedTuple):
    """Where a record lies in Kafka."""

    topic: str
    partition: int
    offset: int


class DeadLetterRow(NamedTuple):
    """A record that cannot be applied; `redrive` numbers the redrive that brought it, 0 if none."""

    origin: RecordRef
    reason: RejectionReason
    error: str
    chain_id: str | None
    batch_id: str | None
    kept: Coordinates
    redrive: int


class _WrittenRow(msgspec.Struct):
    topic: Annotated[str, "text"]
    partition: Annotated[int, "int"]
    origin_offset: Annotated[int, "bigint"]
    origin_timestamp_ms: Annotated[int, "bigint"]
    reason: Annotated[RejectionReason, "text"]
    error: Annotated[str, "text"]
    chain_id: Annotated[str | None, "text"]
    batch_id: Annotated[str | None, "text"]
    kept_topic: Annotated[str, "text"]
    kept_partition: Annotated[int, "int"]
    kept_offset: Annotated[int, "bigint"]
    failed_redrive: Annotated[int, "int"]


class _WindowRow(msgspec.Struct):
    topic: Annotated[str, "text"]
    partition: Annotated[int, "int"]
    begin: Annotated[int, "bigint"]
    next: Annotated[int, "bigint"]


# Only a later redrive that failed, too, changes the row; a copy of an earlier one does not.
_WRITE = f"""
INSERT INTO recorder_dead_letters AS d (
    cluster_id, topic, partition, origin_offset, origin_timestamp_ms, reason, error,
    chain_id, batch_id, kept_topic, kept_partition, kept_offset, failed_redrive)
SELECT %s, r.* FROM {records(columns_of(_WrittenRow))}
ORDER BY r.topic COLLATE "C", r.partition, r.origin_offset, r.origin_timestamp_ms
ON CONFLICT (cluster_id, topic, partition, origin_offset, origin_timestamp_ms) DO UPDATE SET
    reason = excluded.reason, error = excluded.error, chain_id = excluded.chain_id,
    batch_id = excluded.batch_id, kept_topic = excluded.kept_topic,
    kept_partition = excluded.kept_partition, kept_offset = excluded.kept_offset,
    failed_redrive = excluded.failed_redrive, updated_at = timezone('utc', now())
WHERE excluded.failed_redrive > d.failed_redrive
"""

_READ_BEFORE = f"""
SELECT d.topic, d.partition, d.origin_offset
FROM {records(columns_of(_WindowRow))} JOIN recorder_dead_letters d
  ON d.cluster_id = %s AND d.topic = r.topic AND d.partition = r.partition
 AND d.origin_offset >= r.begin AND d.origin_offset < r.next
"""


def write(cursor: Cursor[Any], cluster_id: str, dead_letters: Sequence[DeadLetterRow]) -> None:
    """Write a row for each origin that has none yet, or that failed again after a redrive."""
    if not dead_letters:
        return
    # Of several with one origin in a poll the last redrive counts; one statement takes but one.
    newest: dict[RecordRef, DeadLetterRow] = {}
    for dead_letter in sorted(dead_letters, key=lambda row: row.redrive):
        newest[dead_letter.origin] = dead_letter
    cursor.execute(_WRITE, (cluster_id, rows_parameter([_row(row) for row in newest.values()])))


def offsets_before(
    cursor: Cursor[Any], cluster_id: str, next_offsets: Mapping[Partition, int], window: int
) -> dict[Partition, set[int]]:
    """Which of the `window` offsets before each partition's next one became dead letters."""
    rows = [
        _WindowRow(topic, partition, offset - window, offset)
        for (topic, partition), offset in next_offsets.items()
    ]
    cursor.execute(_READ_BEFORE, (rows_parameter(rows), cluster_id))
    found: dict[Partition, set[int]] = {partition: set() for partition in next_offsets}
    for topic, partition, offset in cursor:
        found[topic, partition].add(offset)
    return found


def _row(dead_letter: DeadLetterRow) -> _WrittenRow:
    origin, kept = dead_letter.origin, dead_letter.kept
    return _WrittenRow(
        origin.topic,
        origin.partition,
        origin.offset,
        origin.timestamp_ms,
        dead_letter.reason,
        dead_letter.error,
        dead_letter.chain_id,
        dead_letter.batch_id,
        kept.topic,
        kept.partition,
        kept.offset,
        dead_letter.redrive,
    )
