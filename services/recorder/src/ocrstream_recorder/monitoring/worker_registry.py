"""Knows the workers by the heartbeats that they send.

Every replica reads all heartbeats and keeps the last of each worker in memory, so all replicas
answer alike, and the database stores no heartbeats.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.errors import RegistryStaleError
from ocrstream_runtime.errors import TopicsMissingError
from ocrstream_runtime.kafka import RawRecord, create_consumer, decode_event, stop_consumer
from ocrstream_runtime.reconnecting_loop import ReconnectingLoop
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import WorkerSeen
from ocrstream_schemas.topics import WORKERS_HEARTBEATS

logger = structlog.get_logger(__name__)

ALIVE_INTERVALS = 3
REMOVED_AFTER_S = 600.0
MAX_WORKERS = 5_000
"""The registry keeps no more; it removes the worker whose heartbeat is oldest."""

_PARTITION = TopicPartition(WORKERS_HEARTBEATS, 0)
_POLL_MS, _POLL_RECORDS = 500, 1_000
_CHECK_INTERVAL_S = 2.0
_TIMEOUT_S = 5.0
_STALE_AFTER_S = 10.0


@dataclass(frozen=True)
class LastHeartbeat:
    """The last heartbeat of a worker, and when the broker received it."""

    heartbeat: WorkerSeen
    seen_at: datetime

    def alive(self, now: datetime) -> bool:
        """Returns whether the worker has not stopped and its heartbeat is not too old."""
        age_s = (now - self.seen_at).total_seconds()
        return not self.heartbeat.stopped and age_s <= ALIVE_INTERVALS * self.heartbeat.interval_s


class WorkerRegistry:
    """The workers that sent heartbeats, bounded in number and age."""

    def __init__(self) -> None:
        # By the age of the heartbeat, the oldest first.
        self._last: dict[str, LastHeartbeat] = {}
        self._complete_at: float | None = None
        self._error = "the heartbeats have not been read to their end yet"

    def add(self, record: RawRecord) -> None:
        """Stores the heartbeat; skips and counts a record that is not one."""
        try:
            event = decode_event(record)
            if not isinstance(event, WorkerSeen) or record.key != event.worker.encode():
                raise InvalidRecordError("the key is not the worker's name")
        except InvalidRecordError as error:
            serving_metrics.INVALID_HEARTBEATS.inc()
            logger.info("heartbeat skipped", offset=record.offset, error=str(error))
            return
        self._last.pop(event.worker, None)
        seen_at = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
        self._last[event.worker] = LastHeartbeat(event, seen_at)
        if len(self._last) > MAX_WORKERS:
            del self._last[next(iter(self._last))]

    def note_complete(self) -> None:
        """Records that the reader has read all heartbeats up to now."""
        self._complete_at = time.monotonic()

    def note_error(self, error: str) -> None:
        """Records why the reader cannot read heartbeats now."""
        self._error = error

    def workers(self, now: datetime) -> list[LastHeartbeat]:
        """Returns the workers with a heartbeat in the last ten minutes, by name, alive ones first.

        Raises RegistryStaleError if newer heartbeats may exist: while the broker is unavailable,
        an old heartbeat does not mean that its worker is gone.
        """
        if self._complete_at is None or time.monotonic() - self._complete_at > _STALE_AFTER_S:
            raise RegistryStaleError(self._error)
        for worker, last in list(self._last.items()):
            if (now - last.seen_at).total_seconds() > REMOVED_AFTER_S:
                del self._last[worker]
        return sorted(
            self._last.values(), key=lambda last: (not last.alive(now), last.heartbeat.worker)
        )


class HeartbeatReader:
    """Reads the heartbeats without a consumer group, and stores them in `registry`.

    The rest of the process does not depend on it.
    """

    def __init__(self, settings: ServiceSettings, client_id: str, registry: WorkerRegistry) -> None:
        self._settings = settings
        self._client_id = client_id
        self._registry = registry
        self._check_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Reads heartbeats until `stop` is set."""
        loop = ReconnectingLoop(
            "heartbeats",
            self._connect,
            self._read,
            interval_s=0.0,
            timeout_s=_TIMEOUT_S,
            retry_on=(KafkaError, TopicsMissingError),
            on_failure=lambda error: self._registry.note_error(
                str(error) or "Kafka does not answer"
            ),
        )
        await loop.run(stop)

    @asynccontextmanager
    async def _connect(self) -> AsyncGenerator[AIOKafkaConsumer]:
        kafka = create_consumer(self._settings, self._client_id, group_id=None)
        try:
            await kafka.start()
            if WORKERS_HEARTBEATS not in await kafka.topics():
                raise TopicsMissingError([WORKERS_HEARTBEATS])
            kafka.assign([_PARTITION])
            await kafka.seek_to_beginning(_PARTITION)
            self._check_at = 0.0
            yield kafka
        finally:
            await stop_consumer(kafka)

    async def _read(self, kafka: AIOKafkaConsumer) -> None:
        found = await kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        for record in found.get(_PARTITION, ()):
            self._registry.add(record)
        if time.monotonic() >= self._check_at:
            end = (await kafka.end_offsets([_PARTITION]))[_PARTITION]
            if await kafka.position(_PARTITION) >= end:
                self._registry.note_complete()
                self._check_at = time.monotonic() + _CHECK_INTERVAL_S
