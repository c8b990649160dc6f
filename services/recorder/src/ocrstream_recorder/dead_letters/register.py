"""The register of dead letters: one row for each origin, written in the poll's transaction.

What a row cannot tell, the record's key and value, stays in Kafka, where `kept` says.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Cursor

from ocrstream_recorder.database.json_rows import Columns, records, rows_parameter
from ocrstream_recorder.database.offsets import Partition
from ocrstream_schemas.ids import RecordRef


class Coordinates(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


class DeadLetterRow(NamedTuple):
    """A record that cannot be applied. `redrive`: the how-manieth redrive it was; 0 if none."""

    origin: RecordRef
    reason: str
    error: str
    chain_id: str | None
    batch_id: str | None
    kept: Coordinates
    redrive: int


_COLUMNS: Columns = {
    "topic": "text",
    "partition": "int",
    "origin_offset": "bigint",
    "origin_timestamp_ms": "bigint",
    "reason": "text",
    "error": "text",
    "chain_id": "text",
    "batch_id": "text",
    "kept_topic": "text",
    "kept_partition": "int",
    "kept_offset": "bigint",
    "failed_redrive": "int",
}

# Only a later redrive that failed as well has anything new to tell; a copy has not.
_WRITE = f"""
INSERT INTO recorder_dead_letters AS d (
    cluster_id, topic, partition, origin_offset, origin_timestamp_ms, reason, error,
    chain_id, batch_id, kept_topic, kept_partition, kept_offset, failed_redrive)
SELECT %s, r.* FROM {records(_COLUMNS)}
ORDER BY r.topic COLLATE "C", r.partition, r.origin_offset, r.origin_timestamp_ms
ON CONFLICT (cluster_id, topic, partition, origin_offset, origin_timestamp_ms) DO UPDATE SET
    reason = excluded.reason, error = excluded.error, chain_id = excluded.chain_id,
    batch_id = excluded.batch_id, kept_topic = excluded.kept_topic,
    kept_partition = excluded.kept_partition, kept_offset = excluded.kept_offset,
    failed_redrive = excluded.failed_redrive, updated_at = timezone('utc', now())
WHERE excluded.failed_redrive > d.failed_redrive
"""

_BEFORE: Columns = {"topic": "text", "partition": "int", "begin": "bigint", "next": "bigint"}
_READ_BEFORE = f"""
SELECT d.topic, d.partition, d.origin_offset
FROM {records(_BEFORE)} JOIN recorder_dead_letters d
  ON d.cluster_id = %s AND d.topic = r.topic AND d.partition = r.partition
 AND d.origin_offset >= r.begin AND d.origin_offset < r.next
"""


def write(cursor: Cursor[Any], cluster_id: str, letters: Sequence[DeadLetterRow]) -> None:
    """Write a row for each origin that has none yet, or that failed again after a redrive."""
    if not letters:
        return
    # Of several about one origin in a poll the last redrive tells; one statement takes but one.
    newest: dict[RecordRef, DeadLetterRow] = {}
    for letter in sorted(letters, key=lambda one: one.redrive):
        newest[letter.origin] = letter
    cursor.execute(_WRITE, (cluster_id, rows_parameter([_row(one) for one in newest.values()])))


def offsets_before(
    cursor: Cursor[Any], cluster_id: str, nexts: Mapping[Partition, int], window: int
) -> dict[Partition, set[int]]:
    """Which of each partition's `window` offsets before `nexts` became dead letters."""
    rows = [
        {"topic": topic, "partition": partition, "begin": offset - window, "next": offset}
        for (topic, partition), offset in nexts.items()
    ]
    cursor.execute(_READ_BEFORE, (rows_parameter(rows), cluster_id))
    found: dict[Partition, set[int]] = {partition: set() for partition in nexts}
    for topic, partition, offset in cursor:
        found[topic, partition].add(offset)
    return found


def _row(letter: DeadLetterRow) -> dict[str, Any]:
    return {
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "origin_offset": letter.origin.offset,
        "origin_timestamp_ms": letter.origin.timestamp_ms,
        "reason": letter.reason,
        "error": letter.error,
        "chain_id": letter.chain_id,
        "batch_id": letter.batch_id,
        "kept_topic": letter.kept.topic,
        "kept_partition": letter.kept.partition,
        "kept_offset": letter.kept.offset,
        "failed_redrive": letter.redrive,
    }
