"""Cancels batches when their deadline passes. Every replica looks; each batch is cancelled once."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import DatabaseUnavailableError
from ocrstream_recorder.outbox import deadline_rows
from ocrstream_runtime.background_loop import BackgroundLoop

logger = structlog.get_logger(__name__)

_INTERVAL_S = 1.0
_BATCHES_AT_ONCE = 200


class DeadlineWatch:
    """Looks every second for deadlines that have passed; calls `on_outbox` after it wrote rows."""

    def __init__(self, database: Database, on_outbox: Callable[[], None]) -> None:
        self._database = database
        self._on_outbox = on_outbox

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set."""
        loop = BackgroundLoop(
            "deadline watch",
            self._run_round,
            interval_s=_INTERVAL_S,
            retry_on=(DatabaseUnavailableError,),
        )
        await loop.run(stop)

    async def _run_round(self) -> float | None:
        revoked = await self._database.run(_revoke_due)
        if revoked:
            recording_metrics.DEADLINES_PASSED.inc(revoked)
            logger.info("batches are cancelled by their deadline", batches=revoked)
            self._on_outbox()
        return None if revoked < _BATCHES_AT_ONCE else 0.0


def _revoke_due(connection: Connection[Any]) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        return deadline_rows.revoke_due(cursor, _BATCHES_AT_ONCE)
