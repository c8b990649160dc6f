"""Says every few seconds that the worker is there, and how it does.

Nothing waits for it: what the broker does not take at once is dropped, and the next one tells all.
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

from ocrstream_runtime.clock import clock_named
from ocrstream_runtime.lifecycle import is_set_within
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import WorkerSeen
from ocrstream_schemas.headers import cloud_event_headers
from ocrstream_schemas.topics import WORKERS_HEARTBEATS
from ocrstream_worker.publisher import SOURCE

logger = structlog.get_logger(__name__)

_RATE_OVER_S = 60.0
_END_TIMEOUT_S = 1.0


class WorkerActivity(NamedTuple):
    """What the worker does at a moment; `images_done` counts since its start."""

    ready: bool
    images_in_flight: int
    images_done: int


class Heartbeats:
    """Sends WorkerSeen: `worker` with what `look` sees, by a producer of its own.

    The worker's own producer insists until the broker has what it was given; this one gives up
    within the interval. So at most the last two heartbeats wait anywhere.
    """

    def __init__(
        self, settings: ServiceSettings, worker: WorkerSeen, look: Callable[[], WorkerActivity]
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._look = look
        self._producer: AIOKafkaProducer | None = None
        self._done: deque[tuple[float, int]] = deque()
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, and a last one that says so."""
        interval_s = self._worker.interval_s
        try:
            while not stop.is_set():
                began = time.monotonic()
                await self._send(self._seen(stopped=False), interval_s)
                await is_set_within(stop, max(0.0, began + interval_s - time.monotonic()))
            await self._send(self._seen(stopped=True), _END_TIMEOUT_S)
        finally:
            await self._close()

    def _seen(self, *, stopped: bool) -> WorkerSeen:
        doing, now = self._look(), time.monotonic()
        self._done.append((now, doing.images_done))
        while now - self._done[0][0] > _RATE_OVER_S:
            self._done.popleft()
        since, done_then = self._done[0]
        rate = (doing.images_done - done_then) / (now - since) if now > since else 0.0
        return msgspec.structs.replace(
            self._worker,
            ready=doing.ready and not stopped,
            images_in_flight=doing.images_in_flight,
            images_done=doing.images_done,
            images_per_s=round(rate, 3),
            stopped=stopped,
        )

    async def _send(self, seen: WorkerSeen, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                producer = await self._started()
                with clock_named():
                    await producer.send_and_wait(
                        WORKERS_HEARTBEATS,
                        encode(seen),
                        key=seen.worker.encode(),
                        headers=cloud_event_headers(seen, SOURCE),
                    )
        except (KafkaError, TimeoutError) as error:
            if not self._failing:
                logger.warning(
                    "heartbeats are not taken, this worker will be shown as not alive",
                    error=str(error) or type(error).__name__,
                    cure=f"if {WORKERS_HEARTBEATS} is missing: python -m ocrstream_runtime.topics",
                )
            self._failing = True
        else:
            self._failing = False

    async def _started(self) -> AIOKafkaProducer:
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
            # It flushes for as long as the broker is away.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await self._producer.stop()
