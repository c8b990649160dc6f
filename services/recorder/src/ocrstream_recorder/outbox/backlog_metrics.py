"""Measures how much waits to leave the database."""

import asyncio
from typing import Any

import structlog
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import DatabaseUnavailableError
from ocrstream_recorder.outbox import outbox_rows, webhook_rows
from ocrstream_runtime.lifecycle import wait_for_event

logger = structlog.get_logger(__name__)

_INTERVAL_S = 5.0


async def watch_backlog(database: Database, stop: asyncio.Event) -> None:
    """Set the gauges of outbox and webhooks every few seconds until `stop` is set."""
    while not stop.is_set():
        try:
            await database.run(_measure)
        except DatabaseUnavailableError as error:
            logger.info("backlog not known now", error=str(error))
        await wait_for_event(stop, _INTERVAL_S)


def _measure(connection: Connection[Any]) -> None:
    with connection.cursor() as cursor:
        waiting = outbox_rows.backlog(cursor)
        recording_metrics.OUTBOX_WAITING.set(waiting.rows)
        recording_metrics.OUTBOX_OLDEST_SECONDS.set(waiting.oldest_s)
        recording_metrics.WEBHOOKS_WAITING.set(webhook_rows.waiting(cursor))
