"""How far those who read the topics are: where each log begins and ends, and what they have done.

Asked of Kafka when somebody wants to know, and not more often than once a second.
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
from ocrstream_runtime.kafka import create_consumer, stop_consumer
from ocrstream_runtime.lifecycle import Stopped, is_set_within, unless_stopped
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.topics import IMAGE_TOPICS, RECORDED_TOPICS

logger = structlog.get_logger(__name__)

_HOLDS_S = 1.0
_TIMEOUT_S = 3.0
_BACKOFF_S = 1.0
_CLIENT_ID = "recorder-lag"


@dataclass(frozen=True)
class Logs:
    """Of each partition its first and its next offset, and up to where workers are done."""

    cluster_id: str
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]
    worked_off: Mapping[TopicPartition, int]

    def waiting(self, topic: str, done: Mapping[TopicPartition, int]) -> int:
        """How many records of a topic a reader has before it that is `done` so far.

        A partition of which it says nothing, or what has been deleted, waits from its beginning.
        """
        return sum(
            max(0, end - max(done.get(place, 0), self.begins[place]))
            for place, end in self.ends.items()
            if place.topic == topic
        )


class LagReader:
    """Asks Kafka while it runs; `look` may be called by many at once."""

    def __init__(self, settings: ServiceSettings, worker_group: str) -> None:
        self._settings = settings
        self.worker_group = worker_group
        self._wanted = asyncio.Event()
        self._answer: asyncio.Future[Logs] | None = None
        self._answered_at = 0.0

    async def look(self) -> Logs:
        """As it is now or was a second ago. Raises LagUnknownError."""
        answer = self._answer
        stale = time.monotonic() - self._answered_at > _HOLDS_S
        if answer is None or (answer.done() and stale):
            answer = self._answer = asyncio.get_running_loop().create_future()
            self._wanted.set()
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
                    await unless_stopped(self._wanted.wait(), stop)
                    async with asyncio.timeout(_TIMEOUT_S):
                        self._note(await self._measure(admin, kafka))
            except Stopped:
                pass
            except (KafkaError, TimeoutError) as error:
                self._note(LagUnknownError(str(error) or "Kafka does not answer"))
                await is_set_within(stop, _BACKOFF_S)
            finally:
                await stop_consumer(kafka)
                await admin.close()

    def _note(self, found: Logs | LagUnknownError) -> None:
        self._wanted.clear()
        self._answered_at = time.monotonic()
        if self._answer is None or self._answer.done():
            return
        if isinstance(found, LagUnknownError):
            self._answer.set_exception(found)
            # Taken note of: whoever waited for it may have left.
            self._answer.exception()
        else:
            self._answer.set_result(found)

    async def _measure(self, admin: AIOKafkaAdminClient, kafka: AIOKafkaConsumer) -> Logs:
        cluster_id: str = (await admin.describe_cluster())["cluster_id"]
        places = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(list(RECORDED_TOPICS))
            for partition in topic["partitions"]
        ]
        images = [place for place in places if place.topic in IMAGE_TOPICS]
        begins = await kafka.beginning_offsets(places)
        committed = await admin.list_consumer_group_offsets(self.worker_group, partitions=images)
        # The ends last, so that nobody is beyond them.
        ends = await kafka.end_offsets(places)
        worked_off = {place: found.offset for place, found in committed.items()}
        return Logs(cluster_id, begins, ends, worked_off)
