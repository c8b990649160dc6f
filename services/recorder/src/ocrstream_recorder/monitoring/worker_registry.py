"""The workers, by the heartbeats that they send.

Every replica reads all heartbeats and keeps the last of each worker in memory, so that all replicas
answer alike and the database holds nothing of it.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.errors import RegistryStaleError
from ocrstream_runtime.errors import TopicsMissingError
from ocrstream_runtime.kafka import RawRecord, create_consumer, decode_event, stop_consumer
from ocrstream_runtime.lifecycle import wait_for_event
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
_BACKOFF_S = 2.0


@dataclass(frozen=True)
class LastHeartbeat:
    """The last heartbeat of a worker, and when the broker received it."""

    heartbeat: WorkerSeen
    seen_at: datetime

    def alive(self, now: datetime) -> bool:
        """Whether the worker has not stopped and its heartbeat is not too old."""
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
        """Record a heartbeat; count a record that is none."""
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
        """Note that all heartbeats up to now have been read."""
        self._complete_at = time.monotonic()

    def note_error(self, error: str) -> None:
        """Note why the heartbeats cannot be read now."""
        self._error = error

    def workers(self, now: datetime) -> list[LastHeartbeat]:
        """The workers with a heartbeat in the last ten minutes, by name; those alive first.

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
    """Reads the heartbeats without a consumer group. A failure here stops nothing else."""

    def __init__(self, settings: ServiceSettings, client_id: str, registry: WorkerRegistry) -> None:
        self._settings = settings
        self._client_id = client_id
        self._registry = registry

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set."""
        logged = ""
        while not stop.is_set():
            kafka = create_consumer(self._settings, self._client_id, group_id=None)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await kafka.start()
                    if WORKERS_HEARTBEATS not in await kafka.topics():
                        raise TopicsMissingError([WORKERS_HEARTBEATS])
                kafka.assign([_PARTITION])
                await kafka.seek_to_beginning(_PARTITION)
                await self._follow(kafka, stop)
            except (KafkaError, TopicsMissingError, TimeoutError) as error:
                text = str(error) or "Kafka does not answer"
                self._registry.note_error(text)
                if text != logged:
                    logger.warning("heartbeats unavailable", error=text)
                logged = text
                await wait_for_event(stop, _BACKOFF_S)
            finally:
                await stop_consumer(kafka)

    async def _follow(self, kafka: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        check_at = 0.0
        while not stop.is_set():
            found = await kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            for record in found.get(_PARTITION, ()):
                self._registry.add(record)
            if time.monotonic() >= check_at:
                async with asyncio.timeout(_TIMEOUT_S):
                    end = (await kafka.end_offsets([_PARTITION]))[_PARTITION]
                    if await kafka.position(_PARTITION) >= end:
                        self._registry.note_complete()
                        check_at = time.monotonic() + _CHECK_INTERVAL_S
