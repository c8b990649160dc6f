"""Where the next poll of each partition begins: a fence that lets one owner write each poll."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Cursor

from ocrstream_recorder.database.typed_rows import columns_of, records, rows_parameter
from ocrstream_recorder.errors import OffsetsMovedError


class _StartRow(msgspec.Struct):
    topic: Annotated[str, "text"]
    partition: Annotated[int, "int"]
    begin: Annotated[int, "bigint"]


class _SpanRow(_StartRow):
    next: Annotated[int, "bigint"]


_SPANS = records(columns_of(_SpanRow))
_STARTS = records(columns_of(_StartRow))

# Held first, in a statement of its own: one that also compared the offsets would pass over a row
# that another transaction is just moving, instead of waiting for it.
_LOCK = f"""
SELECT FROM recorder_offsets o
JOIN {_SPANS} ON o.topic = r.topic AND o.partition = r.partition
WHERE o.cluster_id = %s
ORDER BY o.topic COLLATE "C", o.partition
FOR NO KEY UPDATE OF o
"""
_ADVANCE = f"""
UPDATE recorder_offsets o SET next_offset = r.next
FROM {_SPANS}
WHERE o.cluster_id = %s AND o.topic = r.topic AND o.partition = r.partition
  AND o.next_offset = r.begin
"""

_START_MISSING = f"""
INSERT INTO recorder_offsets (cluster_id, topic, partition, next_offset)
SELECT %s, r.topic, r.partition, r.begin FROM {_STARTS}
ORDER BY r.topic COLLATE "C", r.partition
ON CONFLICT DO NOTHING
"""
_READ = "SELECT topic, partition, next_offset FROM recorder_offsets WHERE cluster_id = %s"

_WHERE = """
SELECT next_offset FROM recorder_offsets
WHERE cluster_id = %s AND topic = %s AND partition = %s
FOR NO KEY UPDATE
"""
_MOVE = """
UPDATE recorder_offsets SET next_offset = %s
WHERE cluster_id = %s AND topic = %s AND partition = %s
"""

Partition = tuple[str, int]


class Span(NamedTuple):
    """Offsets of one partition that a poll covers: from `begin` to before `next`."""

    begin: int
    next: int


def advance(cursor: Cursor[Any], cluster_id: str, spans: Mapping[Partition, Span]) -> None:
    """Move the offsets. Another transaction that moves the same ones is waited for.

    Raises OffsetsMovedError if one does not stand where the poll began.
    """
    rows = [
        _SpanRow(topic, partition, span.begin, span.next)
        for (topic, partition), span in sorted(spans.items())
    ]
    if not rows:
        return
    parameters = (rows_parameter(rows), cluster_id)
    cursor.execute(_LOCK, parameters)
    cursor.execute(_ADVANCE, parameters)
    if cursor.rowcount != len(rows):
        raise OffsetsMovedError


def next_offsets(
    cursor: Cursor[Any], cluster_id: str, if_unknown: Mapping[Partition, int]
) -> dict[Partition, int]:
    """Where to go on with partitions; one not seen before begins where `if_unknown` says."""
    rows = [_StartRow(topic, partition, begin) for (topic, partition), begin in if_unknown.items()]
    cursor.execute(_START_MISSING, (cluster_id, rows_parameter(rows)))
    cursor.execute(_READ, (cluster_id,))
    stored = {(topic, partition): offset for topic, partition, offset in cursor}
    return {partition: stored[partition] for partition in if_unknown}


def move(cursor: Cursor[Any], cluster_id: str, partition: Partition, to: int) -> int | None:
    """Go on with a partition at `to`; returns where it stood, None if nothing is stored of it."""
    found = cursor.execute(_WHERE, (cluster_id, *partition)).fetchone()
    if found is None:
        return None
    cursor.execute(_MOVE, (to, cluster_id, *partition))
    return found[0]
