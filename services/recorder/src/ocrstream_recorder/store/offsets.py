"""Where each partition's next poll begins: a fence that makes a poll happen once."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg import Cursor

from ocrstream_recorder.store.recordset import Columns, records, rows_parameter

_COLUMNS: Columns = {"topic": "text", "partition": "int", "begin": "bigint", "next": "bigint"}

_ADVANCE = f"""
UPDATE recorder_offsets o SET next_offset = r.next
FROM {records(_COLUMNS)}
WHERE o.cluster_id = %s AND o.topic = r.topic AND o.partition = r.partition
  AND o.next_offset = r.begin
"""

_START = """
INSERT INTO recorder_offsets (cluster_id, topic, partition, next_offset)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_READ = """
SELECT next_offset FROM recorder_offsets WHERE cluster_id = %s AND topic = %s AND partition = %s
"""


class Span(NamedTuple):
    """Offsets of one partition that a poll covers: from `begin` to before `next`."""

    begin: int
    next: int


Partition = tuple[str, int]


class OffsetsMovedError(Exception):
    """Another owner of the partition has written these records already."""


def advance(cursor: Cursor[Any], cluster_id: str, spans: Mapping[Partition, Span]) -> None:
    """Move the offsets, last in the poll's transaction.

    Raises OffsetsMovedError if one does not stand where the poll began.
    """
    rows = [
        {"topic": topic, "partition": partition, "begin": span.begin, "next": span.next}
        for (topic, partition), span in sorted(spans.items())
    ]
    cursor.execute(_ADVANCE, (rows_parameter(rows), cluster_id))
    if cursor.rowcount != len(rows):
        raise OffsetsMovedError


def next_offset(cursor: Cursor[Any], cluster_id: str, partition: Partition, if_unknown: int) -> int:
    """Where to go on with a partition; one not seen before begins at `if_unknown`."""
    cursor.execute(_START, (cluster_id, *partition, if_unknown))
    cursor.execute(_READ, (cluster_id, *partition))
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 (inserted just now)
    return row[0]
