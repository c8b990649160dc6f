"""Makes the search keys of images, after the polls and giving way to them."""

import asyncio
import contextlib
import math
import time
from functools import partial
from typing import Any, NamedTuple

import structlog
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.errors import DatabaseUnavailableError, DataRefusedError, SessionLostError
from ocrstream_recorder.search import index
from ocrstream_recorder.search.index import ImageGrams, QueuedImage
from ocrstream_runtime.lifecycle import wait_for_event

logger = structlog.get_logger(__name__)

# A session without a call for so long loses the right to index to another replica.
IDLE_SESSION_TIMEOUT_S = 15

# The more at once, the fewer ways into the index's tree; and the longer a poll or a read that comes
# meanwhile has it beside it, and the longer the list that a search reads for each segment until it
# is merged.
_IMAGES_AT_ONCE = 20
_IMAGES_AT_REST = 200
# What two hundred images of thirty short boxes have: less than half a second of computing.
_CHARACTERS_AT_ONCE = 100_000
_INTERVAL_S = 0.5
_RETRY_S = 5.0
_MEASURE_INTERVAL_S = 5.0
_OBSERVE_INTERVAL_S = 0.05
_REMEMBERED_S = 2.0
_AT_REST = 0.01
# While polls are written without a pause, one twenty-fifth of the time is its own.
_REST_FACTOR = 24


class Piece(NamedTuple):
    """What was indexed at once, and how long that took."""

    images: int
    took_s: float


class SearchIndexer:
    """Indexes what was written, some images at a time; of several replicas one does it at a time.

    It computes in no transaction: what it read, and is still so, is written in another one.
    `database` is to be its alone, made with IDLE_SESSION_TIMEOUT_S; it lets a transaction wait for
    `idle_timeout_s`. `recorder_name` is the application name of the connections that polls are
    written through.
    """

    def __init__(self, database: Database, recorder_name: str, idle_timeout_s: float) -> None:
        self._database = database
        self._size = TransactionSize(_IMAGES_AT_REST, idle_timeout_s)
        self._recorder_name = recorder_name
        self._polling_share = 0.0  # of the last seconds, the part in which polls were written
        self._observed_at = time.monotonic()
        self._measured_at = -_MEASURE_INTERVAL_S

    async def run(self, stop: asyncio.Event) -> None:
        """Index until `stop` is set; nothing that the database says ends it."""
        at_once = _IMAGES_AT_ONCE
        while not stop.is_set():
            limit = min(at_once, self._size.next)
            at_once = _IMAGES_AT_ONCE
            try:
                piece = await self._index(limit)
                recording_metrics.SEARCH_INDEXED.inc(piece.images)
                await self._measure()
                if piece.images:
                    await self._give_way(piece.took_s, stop)
                    if piece.images >= limit and self._polling_share < _AT_REST:
                        at_once = _IMAGES_AT_REST
                else:
                    await wait_for_event(stop, _INTERVAL_S)
            except (DatabaseUnavailableError, DataRefusedError) as error:
                if isinstance(error, SessionLostError):
                    recording_metrics.count_lost_session("search", error)
                self._size.failed(limit)
                logger.warning("cannot index for searches now", error=str(error))
                await wait_for_event(stop, _RETRY_S)

    async def _index(self, limit: int) -> Piece:
        began = time.monotonic()
        queued = await self._database.run(partial(_read, limit))
        if not queued:
            return Piece(0, 0.0)
        computing = asyncio.create_task(asyncio.to_thread(_compute, queued))
        while not computing.done():
            if not (await asyncio.wait([computing], timeout=_OBSERVE_INTERVAL_S))[0]:
                # Asked something, the session stays the one that indexes; writing needs no more of
                # it than that it is there.
                with contextlib.suppress(DatabaseUnavailableError):
                    await self._observe_polls()
        written = await self._database.run(partial(_write, await computing))
        self._size.committed(len(queued), written.took_s)
        return Piece(written.images, time.monotonic() - began)

    async def _give_way(self, took_s: float, stop: asyncio.Event) -> None:
        """Rest after a piece until no poll is being written, here or elsewhere, and no more of the
        time is taken than the square of the part in which none is. So it keeps up with a light
        load, and is out of the way of a heavy one and of those who read meanwhile.
        """
        began = time.monotonic()
        while True:
            is_recording = await self._observe_polls()
            rested_s = time.monotonic() - began
            if rested_s >= _REST_FACTOR * took_s:
                return
            if not is_recording and took_s <= (1 - self._polling_share) ** 2 * (took_s + rested_s):
                return
            if await wait_for_event(stop, _OBSERVE_INTERVAL_S):
                return

    async def _observe_polls(self) -> bool:
        is_recording = await self._database.run(self._is_recording)
        gone_s = time.monotonic() - self._observed_at
        self._observed_at += gone_s
        self._polling_share += (is_recording - self._polling_share) * -math.expm1(
            -gone_s / _REMEMBERED_S
        )
        return is_recording

    def _is_recording(self, connection: Connection[Any]) -> bool:
        with connection.cursor() as cursor:
            return index.is_recording(cursor, self._recorder_name)

    async def _measure(self) -> None:
        if time.monotonic() - self._measured_at < _MEASURE_INTERVAL_S:
            return
        backlog = await self._database.run(_backlog)
        self._measured_at = time.monotonic()
        recording_metrics.SEARCH_WAITING.set(backlog.waiting)
        recording_metrics.SEARCH_OLDEST_SECONDS.set(backlog.oldest_s)


def _read(limit: int, connection: Connection[Any]) -> list[QueuedImage]:
    with connection.cursor() as cursor:
        if not index.may_index(cursor):
            return []
        return index.read(cursor, limit, _CHARACTERS_AT_ONCE)


def _compute(queued: list[QueuedImage]) -> list[ImageGrams]:
    return [index.grams_of(image) for image in queued]


def _write(found: list[ImageGrams], connection: Connection[Any]) -> Piece:
    began = time.monotonic()
    with connection.transaction(), connection.cursor() as cursor:
        images = index.write(cursor, found)
    return Piece(images, time.monotonic() - began)


def _backlog(connection: Connection[Any]) -> index.IndexBacklog:
    with connection.cursor() as cursor:
        return index.backlog(cursor)
