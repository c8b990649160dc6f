"""A producer for work that goes on whatever the broker refuses: replaced after an error."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from ocrstream_runtime.clock import clock_named

_STOP_TIMEOUT_S = 10.0


class LastingProducer:
    """Lends one producer to all who send at a time.

    An idempotent producer that had one record refused (too large, not allowed, its topic deleted)
    cannot send to that partition any more, and one whose sender broke cannot send at all. Each
    numbers its records itself, so a fresh one can. Brokers know a producer by a number, which a new
    cluster gives to others: then `renew` is for whoever lends it.
    """

    def __init__(self, create: Callable[[], AIOKafkaProducer]) -> None:
        self._create = create
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[AIOKafkaProducer]:
        """A started producer; raises KafkaError if there is no broker, and within ClockRefusedError
        for a record whose time is refused.

        After a KafkaError within, the next one lent is a fresh one; not after KafkaTimeoutError,
        for what was not acknowledged yet may still be. The old one ends what it has begun.
        """
        async with self._starting:
            if self._producer is None:
                self._producer = await self._started()
            producer = self._producer
        try:
            with clock_named():
                yield producer
        except KafkaTimeoutError:
            raise
        except KafkaError:
            if producer is self._producer:
                self.renew()
            raise

    def renew(self) -> None:
        """Have the next one lent be a fresh one."""
        if self._producer is not None:
            # Its records on other partitions may take as long as the broker likes.
            stopping = asyncio.create_task(self._producer.stop())
            self._producer = None
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _started(self) -> AIOKafkaProducer:
        producer = self._create()
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def aclose(self) -> None:
        """Stop sending; what the broker has not taken within seconds is given up."""
        if self._producer is not None:
            self._stopping.add(asyncio.create_task(self._producer.stop()))
        if self._stopping:
            _, unfinished = await asyncio.wait(self._stopping, timeout=_STOP_TIMEOUT_S)
            for task in unfinished:
                task.cancel()
