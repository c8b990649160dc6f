"""A poll's transaction from beginning to end, on the test's own connection."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from ocrstream_recorder.database.offsets import Partition, Span
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording import poll_transaction
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.rules.poll_changes import PollChanges

CLUSTER_ID = "cluster"


def write_poll(
    connection: Connection[Any],
    changes: PollChanges,
    zone: DatabaseZone,
    spans: Mapping[Partition, Span] | None = None,
) -> Written:
    """Write what records change, and advance the offsets of the partitions in `spans`."""
    with poll_transaction.advance_offsets(
        connection, changes, zone, CLUSTER_ID, spans or {}
    ) as advanced:
        return advanced.finish_outcomes()
