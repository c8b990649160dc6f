"""Which batches were cancelled, from the commands' very beginning on."""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_runtime.kafka import RawRecord, record_ref, stop_consumer
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.events import BatchRevoked, ImageSubmitted
from ocrstream_schemas.topics import BATCHES_COMMANDS, TOPICS

logger = structlog.get_logger(__name__)

_POLL_MS = 500
_POLL_RECORDS = 1000
_BACKOFF_S = 1.0


class Revocations:
    """Reads the commands without a group: every worker has to know all of them."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        # Bounded by the topic's retention: a batch's cancel is one record.
        self._runs: dict[str, int] = {}
        self.caught_up = asyncio.Event()
        """Set when all commands that stood there at the start are known."""

    def covers(self, image: ImageSubmitted) -> bool:
        """Whether the image was cancelled in its run or a later one."""
        if image.batch_id is None:
            return False
        return self._runs.get(image.batch_id, 0) >= image.run

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the commands until `stop` is set."""
        partitions = [
            TopicPartition(BATCHES_COMMANDS, number)
            for number in range(TOPICS[BATCHES_COMMANDS].partitions)
        ]
        await self._kafka.start()
        try:
            known = self._kafka.partitions_for_topic(BATCHES_COMMANDS)
            if known:
                partitions = [TopicPartition(BATCHES_COMMANDS, number) for number in known]
            self._kafka.assign(partitions)
            await self._kafka.seek_to_beginning(*partitions)
            ends = await self._kafka.end_offsets(partitions)
            while not stop.is_set():
                await self._step()
                if not self.caught_up.is_set() and await self._reached(ends):
                    self.caught_up.set()
        finally:
            await stop_consumer(self._kafka)

    async def _step(self) -> None:
        try:
            records = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        except KafkaError as error:
            logger.warning("cannot read commands now", error=str(error))
            await asyncio.sleep(_BACKOFF_S)
            return
        for found in records.values():
            for record in found:
                self.add(record)

    def add(self, record: RawRecord) -> None:
        """Take note of a command, if it is a cancel."""
        try:
            event = decode(record.topic, record.value, record_ref(record))
        except InvalidRecord:
            return  # the recorder writes its dead letter
        if isinstance(event, BatchRevoked):
            self._runs[event.batch_id] = max(self._runs.get(event.batch_id, 0), event.run)

    async def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._kafka.position(partition) < end:
                return False
        return True
