"""Which batches were cancelled, from the commands' very beginning on."""

import asyncio
from types import TracebackType

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_runtime.kafka import RawRecord, record_ref, stop_consumer
from ocrstream_schemas.codec import InvalidRecord, decode
from ocrstream_schemas.events import BatchRevoked, ImageSubmitted
from ocrstream_schemas.topics import BATCHES_COMMANDS
from ocrstream_worker.errors import BatchCancelledError

logger = structlog.get_logger(__name__)

_POLL_MS = 500
_POLL_RECORDS = 1000
_BACKOFF_S = 1.0


class CancelScope:
    """A block that ends with BatchCancelledError as soon as its image's batch is cancelled.

    Whatever the block waits for then is cancelled, until `no_more` is called.
    """

    def __init__(self, revocations: "Revocations", image: ImageSubmitted) -> None:
        self._revocations = revocations
        self._image = image
        self._task: asyncio.Task[object] | None = None
        self._cancels_before = 0
        self._revoked = False

    def look(self) -> None:
        """There was a cancel of the image's batch."""
        if self._task and not self._revoked and self._revocations.covers(self._image):
            self._revoked = True
            self._task.cancel()

    def no_more(self) -> None:
        """From here on the block is not ended: what it does is as good as done."""
        self._revocations.forget(self._image, self)

    async def __aenter__(self) -> "CancelScope":
        if self._revocations.covers(self._image):
            raise BatchCancelledError
        self._task = asyncio.current_task()
        self._cancels_before = self._task.cancelling() if self._task else 0
        self._revocations.tell(self._image, self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.no_more()
        # As asyncio.timeout does it: a cancel from elsewhere goes on.
        if (
            self._revoked
            and self._task
            and self._task.uncancel() <= self._cancels_before
            and isinstance(error, asyncio.CancelledError)
        ):
            raise BatchCancelledError from error


class Revocations:
    """Reads the commands without a group: every worker has to know all of them."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        # Bounded by the topic's retention: a batch's cancel is one record.
        self._runs: dict[str, int] = {}
        self._heeds: dict[str, set[CancelScope]] = {}
        self.caught_up = asyncio.Event()
        """Set when all commands that stood there at the start are known."""

    def covers(self, image: ImageSubmitted) -> bool:
        """Whether the image was cancelled in its run or a later one."""
        if image.batch_id is None:
            return False
        return self._runs.get(image.batch_id, 0) >= image.run

    def heed(self, image: ImageSubmitted) -> CancelScope:
        """For `async with`: raises BatchCancelledError at its beginning, or whenever it comes to that."""
        return CancelScope(self, image)

    def tell(self, image: ImageSubmitted, heed: CancelScope) -> None:
        """Have `heed` look at every cancel of the image's batch."""
        if image.batch_id is not None:
            self._heeds.setdefault(image.batch_id, set()).add(heed)

    def forget(self, image: ImageSubmitted, heed: CancelScope) -> None:
        """The opposite of `tell`."""
        heeds = self._heeds.get(image.batch_id or "")
        if heeds is not None:
            heeds.discard(heed)
            if not heeds:
                del self._heeds[image.batch_id or ""]

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the commands until `stop` is set."""
        # Without a group it gets all partitions, and reads all again when there are more of them.
        self._kafka.subscribe([BATCHES_COMMANDS])
        await self._kafka.start()
        try:
            ends = await self._kafka.end_offsets(self._kafka.assignment())
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
            for heed in list(self._heeds.get(event.batch_id, ())):
                heed.look()

    async def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._kafka.position(partition) < end:
                return False
        return True
