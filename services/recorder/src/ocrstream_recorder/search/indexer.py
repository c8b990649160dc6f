"""Computes the search keys of images after polls have written them, and gives way to polls."""

import asyncio
import contextlib
import math
import time
from functools import partial
from typing import Any, NamedTuple

from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.errors import DatabaseUnavailableError, DataRefusedError, SessionLostError
from ocrstream_recorder.search import index
from ocrstream_recorder.search.index import ImageGrams, QueuedImage
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.lifecycle import wait_for_event
from ocrstream_runtime.retries import Backoff

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
# Long from the first failure on: perhaps the database is overloaded.
_BACKOFF = Backoff(5.0)
_MEASURE_INTERVAL_S = 5.0
_OBSERVE_INTERVAL_S = 0.05
_REMEMBERED_S = 2.0
_AT_REST = 0.01
# While polls are written without a pause, one twenty-fifth of the time is its own.
_REST_FACTOR = 24


class Piece(NamedTuple):
    """How many images the indexer indexed at once, and how long that took."""

    images: int
    took_s: float


class SearchIndexer:
    """Indexes written images, some at a time; of several replicas only one indexes at a time.

    It computes outside of transactions: one transaction reads images, and another one writes the
    keys of those that have not changed since. Only the indexer may use `database`, which must have
    IDLE_SESSION_TIMEOUT_S and lets a transaction wait for `idle_timeout_s`. `recorder_name` is the
    application name of the connections that write polls.
    """

    def __init__(self, database: Database, recorder_name: str, idle_timeout_s: float) -> None:
        self._database = database
        self._size = TransactionSize(_IMAGES_AT_REST, idle_timeout_s)
        self._recorder_name = recorder_name
        self._images_at_once = _IMAGES_AT_ONCE
        self._limit = 0  # of images in the current round
        self._polling_share = 0.0  # of the last seconds, the part in which polls were written
        self._observed_at = time.monotonic()
        self._measured_at = -_MEASURE_INTERVAL_S

    async def run(self, stop: asyncio.Event) -> None:
        """Indexes images until `stop` is set; retries after any error of the database."""
        loop = BackgroundLoop(
            "search indexer",
            lambda: self._run_round(stop),
            interval_s=_INTERVAL_S,
            retry_on=(DatabaseUnavailableError, DataRefusedError),
            backoff=_BACKOFF,
            on_failure=self._reduce_size,
        )
        await loop.run(stop)

    async def _run_round(self, stop: asyncio.Event) -> float | None:
        self._limit = min(self._images_at_once, self._size.next)
        self._images_at_once = _IMAGES_AT_ONCE
        piece = await self._index(self._limit)
        recording_metrics.SEARCH_INDEXED.inc(piece.images)
        await self._measure()
        if not piece.images:
            return None
        await self._give_way(piece.took_s, stop)
        if piece.images >= self._limit and self._polling_share < _AT_REST:
            self._images_at_once = _IMAGES_AT_REST
        return 0.0

    def _reduce_size(self, error: Exception) -> None:
        if isinstance(error, SessionLostError):
            recording_metrics.count_lost_session("search", error)
        self._size.failed(self._limit)

    async def _index(self, limit: int) -> Piece:
        began = time.monotonic()
        queued = await self._database.run(partial(_read, limit))
        if not queued:
            return Piece(0, 0.0)
        computing = asyncio.create_task(asyncio.to_thread(_compute, queued))
        while not computing.done():
            if not (await asyncio.wait([computing], timeout=_OBSERVE_INTERVAL_S))[0]:
                # The statement keeps the session, which holds the right to index, from its idle
                # timeout; the write does not need the answer.
                with contextlib.suppress(DatabaseUnavailableError):
                    await self._observe_polls()
        written = await self._database.run(partial(_write, await computing))
        self._size.committed(len(queued), written.took_s)
        return Piece(written.images, time.monotonic() - began)

    async def _give_way(self, took_s: float, stop: asyncio.Event) -> None:
        """Rests after a piece while any replica writes a poll, and until indexing has taken no more
        of the time than the square of the share in which no poll is written. So the indexer keeps
        up with a light load, and gives way to a heavy one and to readers.
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
