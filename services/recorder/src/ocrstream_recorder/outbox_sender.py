"""Publishes the outbox: in the order of its rows, at least once, by one replica at a time."""

import asyncio
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from psycopg import Connection

from ocrstream_recorder import metrics
from ocrstream_recorder.store import outbox
from ocrstream_recorder.store.database import Database, DatabaseUnavailable
from ocrstream_recorder.store.outbox import OutboxRow
from ocrstream_runtime.kafka import FATAL_PRODUCER_ERRORS, RecordTooLarge, check_size
from ocrstream_runtime.messaging_spans import send_span
from ocrstream_schemas.headers import cloud_event_headers_of

logger = structlog.get_logger(__name__)

_ROWS_AT_ONCE = 500
_IDLE_S = 1.0
SOURCE = "/ocrstream/recorder"


class _Typed(msgspec.Struct):
    type: str


class OutboxSender:
    """Sends what the recorders have written into the outbox. `woken` makes it look at once."""

    def __init__(self, database: Database, producer: AIOKafkaProducer) -> None:
        self._database = database
        self._producer = producer
        self.woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set."""
        while not stop.is_set():
            try:
                sent_all = await self._send_some()
            except FATAL_PRODUCER_ERRORS:
                raise
            except (DatabaseUnavailable, KafkaError) as error:
                logger.warning("outbox cannot be sent now", error=str(error))
                sent_all = True
            if sent_all:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_S):
                await self.woken.wait()
        except TimeoutError:
            return
        self.woken.clear()

    async def _send_some(self) -> bool:
        """Send the oldest rows; whether there are no more, or another replica sends them."""
        rows = await self._database.run(_take)
        if not rows:
            return True
        sends = [(row, await self._send(row)) for row in rows]
        results = await asyncio.gather(
            *(send for _, send in sends if send is not None), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            # All stay: some went out, and go out again. Receivers know them by their id.
            raise failures[0]
        await self._database.run(lambda connection: _delete(connection, [row.id for row in rows]))
        for row in rows:
            metrics.OUTBOX_PUBLISHED.labels(row.topic).inc()
        return len(rows) < _ROWS_AT_ONCE

    async def _send(self, row: OutboxRow) -> asyncio.Future[Any] | None:
        key = row.key.encode()
        event_type = msgspec.json.decode(row.value, type=_Typed).type
        with send_span(row.topic, key) as carried_on:
            headers = [*cloud_event_headers_of(event_type, SOURCE, row.event_id), *carried_on]
            try:
                check_size(row.topic, key, row.value, headers)
            except RecordTooLarge as error:
                metrics.OUTBOX_DROPPED.labels(row.topic).inc()
                logger.exception("outbox row dropped", event_id=row.event_id, error=str(error))
                return None
            return await self._producer.send(row.topic, key=key, value=row.value, headers=headers)


def _take(connection: Connection[Any]) -> list[OutboxRow]:
    with connection.cursor() as cursor:
        return outbox.take(cursor, _ROWS_AT_ONCE)


def _delete(connection: Connection[Any], ids: list[int]) -> None:
    with connection.cursor() as cursor:
        outbox.delete(cursor, ids)
