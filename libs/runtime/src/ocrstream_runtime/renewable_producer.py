"""A Kafka producer that is replaced after an error."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from ocrstream_runtime.clock import translate_clock_errors

_STOP_TIMEOUT_S = 10.0


class RenewableProducer:
    """Shares one producer among all concurrent senders, and replaces it after an error.

    An idempotent producer that had one record refused (too large, not authorized, topic deleted)
    cannot send to that partition again, and one whose sender task failed cannot send at all. Each
    producer has its own sequence numbers, so a new one can. Its user must call `renew` when another
    cluster takes the place of the last one, because that cluster assigns the same producer ids.
    """

    def __init__(self, create: Callable[[], AIOKafkaProducer]) -> None:
        self._create = create
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[AIOKafkaProducer]:
        """Yields a started producer. Raises KafkaError if no broker answers.

        In the body, ClockRefusedError replaces the error for a refused timestamp. After a
        KafkaError in the body the next call yields a new producer, while the old one finishes its
        sends; not after KafkaTimeoutError, because the broker may still acknowledge those records.
        """
        async with self._starting:
            if self._producer is None:
                self._producer = await self._start()
            producer = self._producer
        try:
            with translate_clock_errors():
                yield producer
        except KafkaTimeoutError:
            raise
        except KafkaError:
            if producer is self._producer:
                self.renew()
            raise

    def renew(self) -> None:
        """Makes the next `acquire` yield a new producer."""
        if self._producer is not None:
            # Its records for other partitions may take as long as the broker needs.
            stopping = asyncio.create_task(self._producer.stop())
            self._producer = None
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _start(self) -> AIOKafkaProducer:
        producer = self._create()
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def aclose(self) -> None:
        """Stops the producers; drops records that no broker acknowledges within seconds."""
        if self._producer is not None:
            self._stopping.add(asyncio.create_task(self._producer.stop()))
        if self._stopping:
            _, unfinished = await asyncio.wait(self._stopping, timeout=_STOP_TIMEOUT_S)
            for task in unfinished:
                task.cancel()
