"""Publishes every few seconds that the worker is alive, and its state.

Nothing waits for a heartbeat: one that the broker does not accept at once is dropped, and the next
one carries the whole state.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.clock import translate_clock_errors
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import WorkerSeen
from ocrstream_schemas.headers import cloud_event_headers
from ocrstream_schemas.topics import WORKERS_HEARTBEATS
from ocrstream_worker.publisher import SOURCE

logger = structlog.get_logger(__name__)

_RATE_WINDOW_S = 60.0
_STOP_TIMEOUT_S = 1.0


class WorkerActivity(NamedTuple):
    """The worker's state at one moment; `images_done` counts since its start."""

    ready: bool
    images_in_flight: int
    images_done: int


class Heartbeats:
    """Publishes WorkerSeen, `worker` with the values of `current_activity`.

    It has a producer of its own, which gives up within the interval; the worker's other producer
    retries until the broker has the event. So at most the last two heartbeats are in flight.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        worker: WorkerSeen,
        current_activity: Callable[[], WorkerActivity],
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._current_activity = current_activity
        self._producer: AIOKafkaProducer | None = None
        self._history: deque[tuple[float, int]] = deque()
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes until `stop` is set, then one last heartbeat that says so."""
        loop = BackgroundLoop(
            "heartbeats", self._run_round, interval_s=self._worker.interval_s, retry_on=()
        )
        try:
            await loop.run(stop)
            await self._send(self._heartbeat(stopped=True), _STOP_TIMEOUT_S)
        finally:
            await self._close()

    async def _run_round(self) -> float:
        interval_s, began = self._worker.interval_s, time.monotonic()
        await self._send(self._heartbeat(stopped=False), interval_s)
        return max(0.0, began + interval_s - time.monotonic())

    def _heartbeat(self, *, stopped: bool) -> WorkerSeen:
        activity, now = self._current_activity(), time.monotonic()
        self._history.append((now, activity.images_done))
        while now - self._history[0][0] > _RATE_WINDOW_S:
            self._history.popleft()
        since, done_before = self._history[0]
        rate = (activity.images_done - done_before) / (now - since) if now > since else 0.0
        return msgspec.structs.replace(
            self._worker,
            ready=activity.ready and not stopped,
            images_in_flight=activity.images_in_flight,
            images_done=activity.images_done,
            images_per_s=round(rate, 3),
            stopped=stopped,
        )

    async def _send(self, heartbeat: WorkerSeen, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                producer = await self._get_producer()
                with translate_clock_errors():
                    await producer.send_and_wait(
                        WORKERS_HEARTBEATS,
                        encode(heartbeat),
                        key=heartbeat.worker.encode(),
                        headers=cloud_event_headers(heartbeat, SOURCE),
                    )
        except (KafkaError, TimeoutError) as error:
            if not self._failing:
                logger.warning(
                    "heartbeats are not delivered, this worker is shown as not alive",
                    error=str(error) or type(error).__name__,
                    cure=f"if {WORKERS_HEARTBEATS} is missing: python -m ocrstream_runtime.topics",
                )
            self._failing = True
        else:
            self._failing = False

    async def _get_producer(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            client_id=f"heartbeats-{self._worker.worker}",
            acks=1,
            request_timeout_ms=max(1000, int(self._worker.interval_s * 1000)),
        )
        try:
            await producer.start()
            self._producer = producer
        finally:
            if self._producer is None:
                await producer.stop()
        return producer

    async def _close(self) -> None:
        if self._producer is not None:
            # `stop` flushes for as long as the broker is unavailable.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await self._producer.stop()
