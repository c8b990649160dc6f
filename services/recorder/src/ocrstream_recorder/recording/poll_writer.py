"""What the consumer asks of the database: where to go on, and to write what it read."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.offsets import Partition
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters import register
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll import Poll, prepare
from ocrstream_recorder.recording.poll_write import PollWrite, WriteTarget
from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.retries import RetryHealth


class PollWriter:
    """Writes the polls of one cluster; a second one may begin when the first has advanced its
    offsets.

    `size` says how many records the next poll may have; of more, it writes part after part.
    """

    def __init__(
        self,
        database: Database,
        dead_letters: DeadLetterProducer,
        breaker: DeadLetterBreaker,
        zone: DatabaseZone,
        size: TransactionSize,
        *,
        cluster_id: str,
        group_id: str,
        on_outbox: Callable[[], None],
    ) -> None:
        self.retry_health = RetryHealth("writing", recording_metrics.RETRYING.labels("write"))
        self._target = WriteTarget(
            database,
            dead_letters,
            breaker,
            zone,
            size,
            cluster_id,
            group_id,
            on_outbox,
            self.retry_health,
        )

    async def next_offsets(self, if_unknown: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to go on with partitions. Raises DatabaseUnavailableError."""

        def read(connection: Connection[Any]) -> dict[Partition, int]:
            with connection.transaction(), connection.cursor() as cursor:
                return offsets.next_offsets(cursor, self._target.cluster_id, if_unknown)

        return await self._target.database.run(read)

    async def dead_letters_before(
        self, next_offsets: Mapping[Partition, int], window: int
    ) -> dict[Partition, set[int]]:
        """Which of the `window` offsets before each partition's next one are registered as dead
        letters. Raises DatabaseUnavailableError.
        """

        def read(connection: Connection[Any]) -> dict[Partition, set[int]]:
            with connection.cursor() as cursor:
                return register.offsets_before(
                    cursor, self._target.cluster_id, next_offsets, window
                )

        return await self._target.database.run(read)

    async def prepare(self, records: list[RawRecord]) -> Poll:
        """Decode and fold a poll's records: all that can be done before it is written."""
        return await prepare(self._target.database, self._target.zone, records)

    def write(
        self, poll: Poll, begins: Mapping[Partition, int], release_requested: asyncio.Event
    ) -> PollWrite:
        """The write of a poll whose partitions stand at `begins`; it begins when it is run."""
        return PollWrite(self._target, poll, begins, release_requested)
