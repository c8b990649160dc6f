"""Which workers there are, by what they say of themselves.

Every replica reads all heartbeats and keeps the last of each worker, in memory: so all of them
answer alike, and nothing of it is in the database.
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
from ocrstream_runtime.kafka import RawRecord, create_consumer, record_ref, stop_consumer
from ocrstream_runtime.lifecycle import is_set_within
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.topics import TopicsMissingError
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.events import WorkerSeen
from ocrstream_schemas.topics import WORKERS_HEARTBEATS

logger = structlog.get_logger(__name__)

INTERVALS_UNTIL_SILENT = 3
FORGOTTEN_AFTER_S = 600.0
MAX_WORKERS = 5_000
"""More than these are not kept: those that were silent longest are forgotten first."""

_PLACE = TopicPartition(WORKERS_HEARTBEATS, 0)
_POLL_MS, _POLL_RECORDS = 500, 1_000
_LOOK_EVERY_S = 2.0
_TIMEOUT_S = 5.0
_STALE_AFTER_S = 10.0
_BACKOFF_S = 2.0


@dataclass(frozen=True)
class LastHeartbeat:
    """The last that a worker said, and when the broker had it."""

    said: WorkerSeen
    seen_at: datetime

    def alive(self, now: datetime) -> bool:
        """Whether it has neither stopped nor been silent for too long."""
        silent_s = (now - self.seen_at).total_seconds()
        return not self.said.stopped and silent_s <= INTERVALS_UNTIL_SILENT * self.said.interval_s


class WorkerRegistry:
    """The workers that were heard of, bounded in number and age."""

    def __init__(self) -> None:
        # The one that was silent longest first.
        self._sightings: dict[str, LastHeartbeat] = {}
        self._known_at: float | None = None
        self._trouble = "the heartbeats have not been read to their end yet"

    def add(self, record: RawRecord) -> None:
        """Take note of a heartbeat; what is none is counted."""
        try:
            event = decode(record.topic, record.value, record_ref(record))
            if not isinstance(event, WorkerSeen) or record.key != event.worker.encode():
                raise InvalidRecord("the key is not the worker's name")
        except InvalidRecord as error:
            serving_metrics.HEARTBEATS_SKIPPED.inc()
            logger.info("heartbeat skipped", offset=record.offset, error=str(error))
            return
        self._sightings.pop(event.worker, None)
        seen_at = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
        self._sightings[event.worker] = LastHeartbeat(event, seen_at)
        if len(self._sightings) > MAX_WORKERS:
            del self._sightings[next(iter(self._sightings))]

    def note_known(self) -> None:
        """All that the broker has was read up to now."""
        self._known_at = time.monotonic()

    def note_trouble(self, trouble: str) -> None:
        """Why nothing can be read now."""
        self._trouble = trouble

    def workers(self, now: datetime) -> list[LastHeartbeat]:
        """Those heard of in the last ten minutes, by name; those alive first.

        Raises RegistryStaleError if the heartbeats may be old: while the broker is away, silence
        says nothing about a worker.
        """
        if self._known_at is None or time.monotonic() - self._known_at > _STALE_AFTER_S:
            raise RegistryStaleError(self._trouble)
        for worker, sighting in list(self._sightings.items()):
            if (now - sighting.seen_at).total_seconds() > FORGOTTEN_AFTER_S:
                del self._sightings[worker]
        return sorted(
            self._sightings.values(), key=lambda one: (not one.alive(now), one.said.worker)
        )


class HeartbeatReader:
    """Follows the heartbeats without a group. Whatever is in its way stops nothing else."""

    def __init__(self, settings: ServiceSettings, client_id: str, fleet: WorkerRegistry) -> None:
        self._settings = settings
        self._client_id = client_id
        self._fleet = fleet

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set."""
        told = ""
        while not stop.is_set():
            kafka = create_consumer(self._settings, self._client_id, group_id=None)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await kafka.start()
                    if WORKERS_HEARTBEATS not in await kafka.topics():
                        raise TopicsMissingError([WORKERS_HEARTBEATS])
                kafka.assign([_PLACE])
                await kafka.seek_to_beginning(_PLACE)
                await self._follow(kafka, stop)
            except (KafkaError, TopicsMissingError, TimeoutError) as error:
                trouble = str(error) or "Kafka does not answer"
                self._fleet.note_trouble(trouble)
                if trouble != told:
                    logger.warning("workers are not known now", error=trouble)
                told = trouble
                await is_set_within(stop, _BACKOFF_S)
            finally:
                await stop_consumer(kafka)

    async def _follow(self, kafka: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        look_at = 0.0
        while not stop.is_set():
            found = await kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            for record in found.get(_PLACE, ()):
                self._fleet.add(record)
            if time.monotonic() >= look_at:
                async with asyncio.timeout(_TIMEOUT_S):
                    end = (await kafka.end_offsets([_PLACE]))[_PLACE]
                    if await kafka.position(_PLACE) >= end:
                        self._fleet.note_known()
                        look_at = time.monotonic() + _LOOK_EVERY_S
