"""Consumer lag: where each partition begins and ends, and what the workers have committed.

The reader asks Kafka when a request needs it, and at most once a second.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ocrstream_recorder.errors import LagUnknownError
from ocrstream_runtime.errors import StoppedError
from ocrstream_runtime.kafka import create_consumer, stop_consumer
from ocrstream_runtime.lifecycle import cancel_on, wait_for_event
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.topics import IMAGE_TOPICS, RECORDED_TOPICS

logger = structlog.get_logger(__name__)

_TTL_S = 1.0
_TIMEOUT_S = 3.0
_BACKOFF_S = 1.0
_CLIENT_ID = "recorder-lag"


@dataclass(frozen=True)
class Logs:
    """For each partition its first and next offset, and the offset that the workers committed."""

    cluster_id: str
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]
    committed: Mapping[TopicPartition, int]

    def waiting(self, topic: str, done: Mapping[TopicPartition, int]) -> int:
        """How many records of a topic wait for a reader whose next offsets are `done`.

        A partition without an offset, or with a deleted one, waits from its beginning.
        """
        return sum(
            max(0, end - max(done.get(partition, 0), self.begins[partition]))
            for partition, end in self.ends.items()
            if partition.topic == topic
        )


class LagReader:
    """Asks Kafka while it runs; `look` may have any number of callers at once."""

    def __init__(self, settings: ServiceSettings, worker_group: str) -> None:
        self._settings = settings
        self.worker_group = worker_group
        self._requested = asyncio.Event()
        self._answer: asyncio.Future[Logs] | None = None
        self._answered_at = 0.0

    async def look(self) -> Logs:
        """The logs as they are now or were a second ago. Raises LagUnknownError."""
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
        """Answer until `stop` is set."""
        while not stop.is_set():
            admin = AIOKafkaAdminClient(
                bootstrap_servers=self._settings.kafka_bootstrap_servers, client_id=_CLIENT_ID
            )
            kafka = create_consumer(self._settings, _CLIENT_ID, group_id=None)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await admin.start()
                    await kafka.start()
                while True:
                    await cancel_on(self._requested.wait(), stop)
                    async with asyncio.timeout(_TIMEOUT_S):
                        self._publish(await self._measure(admin, kafka))
            except StoppedError:
                pass
            except (KafkaError, TimeoutError) as error:
                self._publish(LagUnknownError(str(error) or "Kafka does not answer"))
                await wait_for_event(stop, _BACKOFF_S)
            finally:
                await stop_consumer(kafka)
                await admin.close()

    def _publish(self, found: Logs | LagUnknownError) -> None:
        self._requested.clear()
        self._answered_at = time.monotonic()
        if self._answer is None or self._answer.done():
            return
        if isinstance(found, LagUnknownError):
            self._answer.set_exception(found)
            # Retrieved here, since the caller may have stopped waiting.
            self._answer.exception()
        else:
            self._answer.set_result(found)

    async def _measure(self, admin: AIOKafkaAdminClient, kafka: AIOKafkaConsumer) -> Logs:
        cluster_id: str = (await admin.describe_cluster())["cluster_id"]
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(list(RECORDED_TOPICS))
            for partition in topic["partitions"]
        ]
        images = [partition for partition in partitions if partition.topic in IMAGE_TOPICS]
        begins = await kafka.beginning_offsets(partitions)
        offsets = await admin.list_consumer_group_offsets(self.worker_group, partitions=images)
        # The ends last, so that no committed offset is beyond them.
        ends = await kafka.end_offsets(partitions)
        committed = {partition: offset.offset for partition, offset in offsets.items()}
        return Logs(cluster_id, begins, ends, committed)
