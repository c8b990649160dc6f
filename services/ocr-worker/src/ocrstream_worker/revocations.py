"""Knows which batches were cancelled, by reading the commands from the topic's beginning."""

import asyncio
from types import TracebackType

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.kafka import RawRecord, decode_event, stop_consumer
from ocrstream_runtime.retries import OUTAGE_BACKOFF
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import BatchRevoked, ImageSubmitted
from ocrstream_schemas.topics import BATCHES_COMMANDS
from ocrstream_worker.errors import BatchCancelledError

_POLL_MS = 500
_POLL_RECORDS = 1000


class CancelScope:
    """A block that raises BatchCancelledError as soon as its image's batch is cancelled.

    The task is cancelled at its current await, until `shield` is called.
    """

    def __init__(self, revocations: "Revocations", image: ImageSubmitted) -> None:
        self._revocations = revocations
        self._image = image
        self._task: asyncio.Task[object] | None = None
        self._cancel_requests_before = 0
        self._cancelled = False

    def check(self) -> None:
        """Cancels the block if its image is cancelled."""
        if self._task and not self._cancelled and self._revocations.is_cancelled(self._image):
            self._cancelled = True
            self._task.cancel()

    def shield(self) -> None:
        """Protects the rest of the block from cancellation: its work counts as done."""
        self._revocations.unsubscribe(self._image, self)

    async def __aenter__(self) -> "CancelScope":
        if self._revocations.is_cancelled(self._image):
            raise BatchCancelledError
        self._task = asyncio.current_task()
        self._cancel_requests_before = self._task.cancelling() if self._task else 0
        self._revocations.subscribe(self._image, self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shield()
        # Like asyncio.timeout: a cancellation from elsewhere propagates.
        if (
            self._cancelled
            and self._task
            and self._task.uncancel() <= self._cancel_requests_before
            and isinstance(error, asyncio.CancelledError)
        ):
            raise BatchCancelledError from error


class Revocations:
    """Reads the commands without a consumer group: every worker needs all of them."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        # Bounded by the topic's retention: each cancellation is one record.
        self._revoked_runs: dict[str, int] = {}
        self._scopes: dict[str, set[CancelScope]] = {}
        self.caught_up = asyncio.Event()
        """Set when all commands that existed at the start are read."""

    def is_cancelled(self, image: ImageSubmitted) -> bool:
        """Whether the image was cancelled in its run or a later one."""
        if image.batch_id is None:
            return False
        return self._revoked_runs.get(image.batch_id, 0) >= image.run

    def watch(self, image: ImageSubmitted) -> CancelScope:
        """A scope for `async with`; raises BatchCancelledError at once or later."""
        return CancelScope(self, image)

    def subscribe(self, image: ImageSubmitted, scope: CancelScope) -> None:
        """Has `scope` check after every cancellation of the image's batch."""
        if image.batch_id is not None:
            self._scopes.setdefault(image.batch_id, set()).add(scope)

    def unsubscribe(self, image: ImageSubmitted, scope: CancelScope) -> None:
        """Undoes `subscribe`."""
        scopes = self._scopes.get(image.batch_id or "")
        if scopes is not None:
            scopes.discard(scope)
            if not scopes:
                del self._scopes[image.batch_id or ""]

    async def run(self, stop: asyncio.Event) -> None:
        """Reads the commands until `stop` is set."""
        # Without a group it reads all partitions, and reads them again when their number grows.
        self._kafka.subscribe([BATCHES_COMMANDS])
        await self._kafka.start()
        try:
            ends = await self._kafka.end_offsets(self._kafka.assignment())
            loop = BackgroundLoop(
                "revocations",
                lambda: self._read(ends),
                interval_s=0.0,
                retry_on=(KafkaError,),
                backoff=OUTAGE_BACKOFF,
            )
            await loop.run(stop)
        finally:
            await stop_consumer(self._kafka)

    async def _read(self, ends: dict[TopicPartition, int]) -> None:
        records = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        for found in records.values():
            for record in found:
                self.apply(record)
        if not self.caught_up.is_set() and await self._has_reached(ends):
            self.caught_up.set()

    def apply(self, record: RawRecord) -> None:
        """Records a cancellation; ignores other commands."""
        try:
            event = decode_event(record)
        except InvalidRecordError:
            return  # the recorder writes its dead letter
        if isinstance(event, BatchRevoked):
            self._revoked_runs[event.batch_id] = max(
                self._revoked_runs.get(event.batch_id, 0), event.run
            )
            for scope in list(self._scopes.get(event.batch_id, ())):
                scope.check()

    async def _has_reached(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._kafka.position(partition) < end:
                return False
        return True
