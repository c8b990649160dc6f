"""Makes what images are searched by, behind the polls and giving way to them."""

import asyncio
import time
from functools import partial
from typing import Any, NamedTuple

import structlog
from psycopg import Connection

from ocrstream_recorder import metrics
from ocrstream_recorder.store import search_index
from ocrstream_recorder.store.database import Database, DatabaseUnavailable, DataRefused
from ocrstream_runtime.lifecycle import is_set_within

logger = structlog.get_logger(__name__)

# The more at once, the fewer ways into the index's tree; and the longer a poll that begins
# meanwhile has it beside it.
_IMAGES_AT_ONCE = 50
_IMAGES_AT_REST = 500
_INTERVAL_S = 0.5
_RETRY_S = 5.0
_MEASURE_INTERVAL_S = 5.0
_LOOK_INTERVAL_S = 0.02
# While polls are written without a pause, one twenty-fifth of the time is its own.
_REST_FACTOR = 24


class _Piece(NamedTuple):
    images: int
    took_s: float


class SearchIndexer:
    """Indexes what was written, some images at a time; of several replicas one does it at a time.

    `recorder_name` is the application name of the connections that polls are written through.
    """

    def __init__(self, database: Database, recorder_name: str) -> None:
        self._database = database
        self._recorder_name = recorder_name
        self._measured_at = -_MEASURE_INTERVAL_S

    async def run(self, stop: asyncio.Event) -> None:
        """Index until `stop` is set; nothing that the database says ends it."""
        limit = _IMAGES_AT_ONCE
        while not stop.is_set():
            try:
                piece = await self._database.run(partial(_index, limit))
                metrics.SEARCH_INDEXED.inc(piece.images)
                await self._measure()
                if not piece.images:
                    await is_set_within(stop, _INTERVAL_S)
                    limit = _IMAGES_AT_ONCE
                    continue
                rests = await self._give_way(_REST_FACTOR * piece.took_s, stop)
                limit = _IMAGES_AT_REST if rests else _IMAGES_AT_ONCE
            except (DatabaseUnavailable, DataRefused) as error:
                logger.warning("cannot index for searches now", error=str(error))
                await is_set_within(stop, _RETRY_S)

    async def _give_way(self, longest_s: float, stop: asyncio.Event) -> bool:
        """Wait until no poll is being written, here or elsewhere, though not for longer.

        Returns whether none is.
        """
        end = time.monotonic() + longest_s
        while await self._database.run(self._is_recording):
            if time.monotonic() >= end or await is_set_within(stop, _LOOK_INTERVAL_S):
                return False
        return True

    def _is_recording(self, connection: Connection[Any]) -> bool:
        with connection.cursor() as cursor:
            return search_index.is_recording(cursor, self._recorder_name)

    async def _measure(self) -> None:
        if time.monotonic() - self._measured_at < _MEASURE_INTERVAL_S:
            return
        backlog = await self._database.run(_backlog)
        self._measured_at = time.monotonic()
        metrics.SEARCH_WAITING.set(backlog.waiting)
        metrics.SEARCH_OLDEST_SECONDS.set(backlog.oldest_s)


def _index(limit: int, connection: Connection[Any]) -> _Piece:
    began = time.monotonic()
    with connection.transaction(), connection.cursor() as cursor:
        images = search_index.index_some(cursor, limit)
    return _Piece(images, time.monotonic() - began)


def _backlog(connection: Connection[Any]) -> search_index.Backlog:
    with connection.cursor() as cursor:
        return search_index.backlog(cursor)
