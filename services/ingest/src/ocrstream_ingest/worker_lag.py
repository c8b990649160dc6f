"""The workers' consumer lag: how many images wait, and whether ingest accepts more."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ocrstream_ingest import metrics
from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.kafka import stop_consumer
from ocrstream_runtime.reconnecting_loop import ReconnectingLoop
from ocrstream_schemas.topics import IMAGE_TOPICS, TOPICS

_INTERVAL_S = 3.0
_TIMEOUT_S = 10.0
_RETRY_AFTER_S = 30

_Clients = tuple[AIOKafkaAdminClient, AIOKafkaConsumer]


class WorkerLag:
    """Measures every few seconds, for each lane's topic, the lag of the workers' consumer group.

    The last measurement holds while Kafka is not available. A partition without a committed offset
    counts from its beginning. `max_lag` is in images per topic.
    """

    def __init__(self, bootstrap_servers: str, group_id: str, max_lag: int) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._group_id = group_id
        self._max_lag = max_lag
        self._lag = dict.fromkeys(IMAGE_TOPICS, 0)

    def require_capacity(self, topics: Iterable[str]) -> None:
        """Raises ProblemError (503) if the lag of one of the topics exceeds the limit."""
        for topic in topics:
            if self._lag[topic] > self._max_lag:
                raise ProblemError(
                    503,
                    "Too many images are queued",
                    f"{self._lag[topic]:,} images wait in {topic}, more than"
                    f" {self._max_lag:,} (OCRSTREAM_MAX_QUEUED_IMAGES); ingest accepted nothing,"
                    " send the request again later",
                    headers={"Retry-After": str(_RETRY_AFTER_S)},
                )

    def set_lag(self, lag: Mapping[str, int]) -> None:
        """Replaces the lag of some topics."""
        self._lag.update(lag)
        for topic, images in lag.items():
            metrics.WAITING_IMAGES.labels(topic).set(images)

    async def run(self, stop: asyncio.Event) -> None:
        """Measures every few seconds until `stop` is set."""
        loop = ReconnectingLoop(
            "worker lag",
            self._connect,
            lambda clients: self._measure(*clients),
            interval_s=_INTERVAL_S,
            timeout_s=_TIMEOUT_S,
            retry_on=(KafkaError,),
        )
        await loop.run(stop)

    @asynccontextmanager
    async def _connect(self) -> AsyncGenerator[_Clients]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers)
        try:
            await admin.start()
            await consumer.start()
            yield admin, consumer
        finally:
            await stop_consumer(consumer)
            await admin.close()

    async def _measure(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        partitions = [
            TopicPartition(topic, number)
            for topic in IMAGE_TOPICS
            for number in range(TOPICS[topic].partitions)
        ]
        committed = {
            partition: metadata.offset
            for partition, metadata in (
                await admin.list_consumer_group_offsets(self._group_id, partitions=partitions)
            ).items()
        }
        ends = await consumer.end_offsets(partitions)
        beginnings = await consumer.beginning_offsets(partitions)
        lag = dict.fromkeys(IMAGE_TOPICS, 0)
        for partition in partitions:
            read_up_to = max(committed.get(partition, -1), beginnings[partition])
            lag[partition.topic] += ends[partition] - read_up_to
        self.set_lag(lag)
