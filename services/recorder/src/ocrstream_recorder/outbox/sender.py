"""Publishes the outbox: at least once, and the records of one key first in order.

A key's record is sent only when the broker has acknowledged the one before it, and a row is deleted
only when the broker has its record. So of any two records of a key the first copy of the older one
stands before every copy of the newer, whatever fails, and however many send at a time.
"""

import asyncio
import time
from collections import defaultdict, deque
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import DatabaseUnavailableError, DataRefusedError, SessionLostError
from ocrstream_recorder.outbox import outbox_rows
from ocrstream_recorder.outbox.outbox_rows import OutboxRow
from ocrstream_recorder.reprocessing import requests, retries
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_runtime.kafka import check_size
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_schemas.headers import cloud_event_headers_of
from ocrstream_schemas.times import record_timestamp_ms

logger = structlog.get_logger(__name__)

# A session without a call for so long loses the right to send to another replica: a process that is
# stopped, or that cannot reach the broker while others can.
IDLE_SESSION_TIMEOUT_S = 15
SOURCE = "/ocrstream/recorder"

_ROWS_AT_ONCE = 2_000
# Less than are sent at a time: events of other batches, which go out in the order of their rows, do
# not wait for a large retry or reprocessing.
_CHAINS_AT_ONCE = 1_000
_BYTES_AT_ONCE = 16 * 1024 * 1024
_INTERVAL_S = 1.0


class _Typed(msgspec.Struct):
    type: str


class OutboxSender:
    """Sends what the recorders wrote into the outbox; fills it from retries and reprocessings.

    `woken` makes it look at once. `database` is to be its alone, made with IDLE_SESSION_TIMEOUT_S.
    """

    def __init__(self, database: Database, producer: RenewableProducer, zone: DatabaseZone) -> None:
        self._database = database
        self._producer = producer
        self._zone = zone
        self.woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set."""
        loop = BackgroundLoop(
            "outbox sender",
            self._run_round,
            interval_s=_INTERVAL_S,
            retry_on=(DatabaseUnavailableError, DataRefusedError, KafkaError),
            wake=self.woken,
        )
        await loop.run(stop)

    async def _run_round(self) -> float | None:
        return 0.0 if await self._send_some() else None

    async def _send_some(self) -> bool:
        """Send the oldest rows; whether more may be there to be sent by this replica."""
        rows = await self._database.run(_take)
        if rows is None:
            return False
        if rows:
            async with self._producer.acquire() as producer:
                await self._send_rows(producer, rows)
        if len(rows) == _ROWS_AT_ONCE:
            return True
        submitted = await self._database.run(self._submit_part)
        recording_metrics.IMAGES_RETRIED.inc(submitted or 0)
        return bool(rows) or submitted is not None

    def _submit_part(self, connection: Connection[Any]) -> int | None:
        """The next part of a retry, or else of a reprocessing; None if there is nothing to do."""
        with connection.transaction(), connection.cursor() as cursor:
            part = retries.submit_part(cursor, _CHAINS_AT_ONCE)
            if part is None:
                part = requests.submit_part(cursor, _CHAINS_AT_ONCE, self._zone)
        return None if part is None else part.submitted

    async def _send_rows(self, producer: AIOKafkaProducer, rows: list[OutboxRow]) -> None:
        by_key: defaultdict[tuple[str, str], list[OutboxRow]] = defaultdict(list)
        for row in rows:
            by_key[row.topic, row.key].append(row)
        waiting = [deque(queue) for queue in by_key.values()]
        sent: list[OutboxRow] = []
        failures: list[BaseException] = []
        while waiting:
            # The first of each key; those that follow wait until it is acknowledged.
            sends = [await self._send(producer, queue[0]) for queue in waiting]
            results = await asyncio.gather(*sends, return_exceptions=True)
            acknowledged: list[deque[OutboxRow]] = []
            for queue, result in zip(waiting, results, strict=True):
                if isinstance(result, BaseException):
                    failures.append(result)
                else:
                    sent.append(queue.popleft())
                    acknowledged.append(queue)
            waiting = [queue for queue in acknowledged if queue]
        await self._delete([row.id for row in sent])
        for row in sent:
            recording_metrics.OUTBOX_PUBLISHED.labels(row.topic).inc()
        if failures:
            raise failures[0]

    async def _delete(self, ids: list[int]) -> None:
        def delete(connection: Connection[Any]) -> None:
            with connection.cursor() as cursor:
                outbox_rows.delete(cursor, ids)

        try:
            await self._database.run(delete)
        except SessionLostError:
            # Sending may take longer than a session lasts. Not deleted, the same rows would be
            # sent again, for as long.
            await self._database.run(delete)

    async def _send(self, producer: AIOKafkaProducer, row: OutboxRow) -> asyncio.Future[Any]:
        """Begin to send a record; done when the broker has it, or at once if it fits no topic."""
        key = row.key.encode()
        event_type = msgspec.json.decode(row.value, type=_Typed).type
        with send_span(row.topic, key) as span_headers:
            headers = [*cloud_event_headers_of(event_type, SOURCE, row.event_id), *span_headers]
            try:
                check_size(row.topic, key, row.value, headers)
            except RecordTooLargeError as error:
                recording_metrics.OUTBOX_DROPPED.labels(row.topic).inc()
                logger.exception("outbox row dropped", event_id=row.event_id, error=str(error))
                dropped: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                dropped.set_result(None)
                return dropped
            return await producer.send(
                row.topic,
                key=key,
                value=row.value,
                headers=headers,
                timestamp_ms=record_timestamp_ms(row.value, int(time.time() * 1000)),
            )


def _take(connection: Connection[Any]) -> list[OutboxRow] | None:
    with connection.cursor() as cursor:
        if not outbox_rows.may_send(cursor):
            return None
        return outbox_rows.take(cursor, _ROWS_AT_ONCE, _BYTES_AT_ONCE)
