"""Consumer lag: where each partition begins and ends, and what the workers have committed.

The reader asks Kafka when a request needs it, and at most once a second.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ocrstream_recorder.errors import LagUnknownError
from ocrstream_runtime.kafka import create_consumer, stop_consumer
from ocrstream_runtime.reconnecting_loop import ReconnectingLoop
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.topics import IMAGE_TOPICS, RECORDED_TOPICS

_TTL_S = 1.0
_TIMEOUT_S = 3.0
_CLIENT_ID = "recorder-lag"


@dataclass(frozen=True)
class Logs:
    """For each partition its first and next offset, and the offset that the workers committed."""

    cluster_id: str
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]
    committed: Mapping[TopicPartition, int]

    def waiting(self, topic: str, done: Mapping[TopicPartition, int]) -> int:
        """Returns how many records of a topic wait for a reader whose next offsets are `done`.

        A partition without an offset, or with a deleted one, waits from its beginning.
        """
        return sum(
            max(0, end - max(done.get(partition, 0), self.begins[partition]))
            for partition, end in self.ends.items()
            if partition.topic == topic
        )


class _Clients(NamedTuple):
    admin: AIOKafkaAdminClient
    consumer: AIOKafkaConsumer


class LagReader:
    """Measures the logs while `run` runs; `read` may have any number of callers at once."""

    def __init__(self, settings: ServiceSettings, worker_group: str) -> None:
        self._settings = settings
        self.worker_group = worker_group
        self._requested = asyncio.Event()
        self._answer: asyncio.Future[Logs] | None = None
        self._answered_at = 0.0
        # Why Kafka cannot be asked until the reader has connected again.
        self._error: str | None = None

    async def read(self) -> Logs:
        """Returns the logs as they are now or were a second ago. Raises LagUnknownError."""
        if self._error is not None:
            raise LagUnknownError(self._error)
        answer = self._answer
        stale = time.monotonic() - self._answered_at > _TTL_S
        if answer is None or (answer.done() and stale):
            answer = self._answer = asyncio.get_running_loop().create_future()
            self._requested.set()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise LagUnknownError("Kafka does not answer") from error

    async def run(self, stop: asyncio.Event) -> None:
        """Answers the callers of `read` until `stop` is set."""
        loop = ReconnectingLoop(
            "consumer lag",
            self._connect,
            self._answer_request,
            interval_s=math.inf,
            timeout_s=_TIMEOUT_S,
            retry_on=(KafkaError,),
            wake=self._requested,
            on_failure=self._fail_request,
        )
        await loop.run(stop)

    @asynccontextmanager
    async def _connect(self) -> AsyncGenerator[_Clients]:
        servers = self._settings.kafka_bootstrap_servers
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, client_id=_CLIENT_ID)
        consumer = create_consumer(self._settings, _CLIENT_ID, group_id=None)
        try:
            await admin.start()
            await consumer.start()
            yield _Clients(admin, consumer)
        finally:
            await stop_consumer(consumer)
            await admin.close()

    async def _answer_request(self, clients: _Clients) -> None:
        self._error = None
        if self._answer is None or self._answer.done():
            return
        logs = await self._measure(*clients)
        self._answered_at = time.monotonic()
        self._answer.set_result(logs)

    def _fail_request(self, error: Exception) -> None:
        self._error = str(error) or "Kafka does not answer"
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LagUnknownError(self._error))
            # Retrieved here, since the caller may have stopped waiting.
            self._answer.exception()

    async def _measure(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> Logs:
        cluster_id: str = (await admin.describe_cluster())["cluster_id"]
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(list(RECORDED_TOPICS))
            for partition in topic["partitions"]
        ]
        images = [partition for partition in partitions if partition.topic in IMAGE_TOPICS]
        begins = await consumer.beginning_offsets(partitions)
        offsets = await admin.list_consumer_group_offsets(self.worker_group, partitions=images)
        # The ends last, so that no committed offset is beyond them.
        ends = await consumer.end_offsets(partitions)
        committed = {partition: offset.offset for partition, offset in offsets.items()}
        return Logs(cluster_id, begins, ends, committed)
