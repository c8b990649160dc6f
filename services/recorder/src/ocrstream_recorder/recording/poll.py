"""A poll's records, decoded and folded: all that can be done before it is written."""

import asyncio
import time
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Self

from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import DatabaseUnavailableError
from ocrstream_recorder.recording import chain_rows
from ocrstream_recorder.recording.decoding import DecodedRecord, chains_named_by, decode_record
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_runtime.kafka import RawRecord


class Poll(NamedTuple):
    """Decoded records, in the order of their offsets, and what all of them change together.

    `next_offsets`: of each partition the offset after its last record.
    """

    records: list[DecodedRecord]
    changes: PollChanges
    next_offsets: dict[Partition, int]

    @classmethod
    def of(cls, records: list[DecodedRecord]) -> Self:
        """A poll of these records."""
        return cls(
            records,
            PollChanges([changes for _, changes, _ in records if changes is not None]),
            {(record.topic, record.partition): record.offset + 1 for record, _, _ in records},
        )


async def prepare(database: Database, zone: DatabaseZone, records: list[RawRecord]) -> Poll:
    """Decode and fold records; one whose fingerprint is stored changes nothing."""
    known = await _known(database, records)
    # It computes for as long as hundreds of milliseconds.
    return await asyncio.to_thread(_decode_and_fold, records, zone, known)


async def _known(database: Database, records: list[RawRecord]) -> AbstractSet[bytes]:
    def ask(connection: Connection[Any]) -> set[bytes]:
        began = time.perf_counter()
        known = chain_rows.known_fingerprints(connection, chains_named_by(records))
        recording_metrics.POLL_SECONDS.labels("lookup").observe(time.perf_counter() - began)
        return known

    try:
        return await database.run(ask)
    except DatabaseUnavailableError:
        # Whoever writes the poll meets the same failure and reports it.
        return frozenset()


def _decode_and_fold(
    records: list[RawRecord], zone: DatabaseZone, known: AbstractSet[bytes]
) -> Poll:
    ordered = sorted(records, key=lambda record: (record.topic, record.partition, record.offset))
    began = time.perf_counter()
    decoded = [decode_record(record, zone.to_local, known) for record in ordered]
    decoded_at = time.perf_counter()
    poll = Poll.of(decoded)
    recording_metrics.POLL_SECONDS.labels("decode").observe(decoded_at - began)
    recording_metrics.POLL_SECONDS.labels("fold").observe(time.perf_counter() - decoded_at)
    return poll
