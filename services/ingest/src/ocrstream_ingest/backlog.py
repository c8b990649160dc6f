"""How many images wait for the workers, and whether more may come."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ocrstream_ingest import metrics
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.topics import IMAGE_TOPICS, TOPICS

_INTERVAL_S = 3.0
_TIMEOUT_S = 10.0
_RETRY_AFTER_S = 30

_Clients = tuple[AIOKafkaAdminClient, AIOKafkaConsumer]


class Backlog:
    """Of each lane's topic, what the workers' group has not committed, measured every few seconds.

    While it cannot be measured the last figures hold. Partitions that the group never read wait
    from their beginning.
    """

    def __init__(self, bootstrap_servers: str, group: str, limit: int) -> None:
        self._bootstrap = bootstrap_servers
        self._group = group
        self._limit = limit
        self._waiting = dict.fromkeys(IMAGE_TOPICS, 0)
        self._connections = AsyncExitStack()
        self._clients: _Clients | None = None

    def admit(self, topics: Iterable[str]) -> None:
        """Raises Problem (503) if more than the limit waits in one of the topics."""
        for topic in topics:
            if self._waiting[topic] > self._limit:
                raise Problem(
                    503,
                    "Too many images wait",
                    f"{self._waiting[topic]:,} images wait in {topic}, over the limit of"
                    f" {self._limit:,} (OCRSTREAM_MAX_QUEUED_IMAGES); nothing was taken, send the"
                    " request again later",
                    headers={"Retry-After": str(_RETRY_AFTER_S)},
                )

    def note(self, waiting: Mapping[str, int]) -> None:
        """Of some topics, how many images wait in each now."""
        self._waiting.update(waiting)
        for topic, images in waiting.items():
            metrics.WAITING_IMAGES.labels(topic).set(images)

    async def run(self, stop: asyncio.Event) -> None:
        """Measures every few seconds until `stop` is set."""
        loop = BackgroundLoop(
            "worker lag",
            self._run_round,
            interval_s=_INTERVAL_S,
            retry_on=(KafkaError, TimeoutError),
        )
        try:
            await loop.run(stop)
        finally:
            await self._connections.aclose()

    async def _run_round(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                self._clients = self._clients or await self._connect()
                await self._measure(*self._clients)
        except (KafkaError, TimeoutError):
            # The next round connects anew.
            self._clients = None
            await self._connections.aclose()
            raise

    async def _connect(self) -> _Clients:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        self._connections.push_async_callback(admin.close)
        await admin.start()
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        self._connections.push_async_callback(consumer.stop)
        await consumer.start()
        return admin, consumer

    async def _measure(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        partitions = [
            TopicPartition(topic, number)
            for topic in IMAGE_TOPICS
            for number in range(TOPICS[topic].partitions)
        ]
        committed = {
            partition: found.offset
            for partition, found in (
                await admin.list_consumer_group_offsets(self._group, partitions=partitions)
            ).items()
        }
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        waiting = dict.fromkeys(IMAGE_TOPICS, 0)
        for one in partitions:
            waiting[one.topic] += ends[one] - max(committed.get(one, -1), begins[one])
        self.note(waiting)
