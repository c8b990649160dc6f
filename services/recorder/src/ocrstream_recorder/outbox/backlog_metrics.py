"""Measures how much waits to leave the database."""

import asyncio
from typing import Any

from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import DatabaseUnavailableError
from ocrstream_recorder.outbox import outbox_rows, webhook_rows
from ocrstream_runtime.background_loop import BackgroundLoop

_INTERVAL_S = 5.0


async def watch_backlog(database: Database, stop: asyncio.Event) -> None:
    """Set the gauges of outbox and webhooks every few seconds until `stop` is set."""
    loop = BackgroundLoop(
        "backlog metrics",
        lambda: database.run(_measure),
        interval_s=_INTERVAL_S,
        retry_on=(DatabaseUnavailableError,),
    )
    await loop.run(stop)


def _measure(connection: Connection[Any]) -> None:
    with connection.cursor() as cursor:
        waiting = outbox_rows.backlog(cursor)
        recording_metrics.OUTBOX_WAITING.set(waiting.rows)
        recording_metrics.OUTBOX_OLDEST_SECONDS.set(waiting.oldest_s)
        recording_metrics.WEBHOOKS_WAITING.set(webhook_rows.waiting(cursor))
