"""Tells any number of listeners how batches get on, by one query for all of them.

A listener is told states, not changes: it has one place for the newest, so a slow one skips what is
outdated and keeps nobody waiting.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog
from psycopg import Connection

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import (
    DatabaseUnavailableError,
    NotWatchingError,
    TooManyListenersError,
)
from ocrstream_recorder.progress import queries
from ocrstream_recorder.progress.queries import BatchProgress
from ocrstream_runtime.lifecycle import is_set_within

logger = structlog.get_logger(__name__)

_INTERVAL_S = 0.5
# Who arrives does not wait for the next look; all who arrive within this time share one.
_SHORTEST_INTERVAL_S = 0.05


class Listener:
    """Who listens to one batch."""

    def __init__(self, told_id: str | None) -> None:
        """`told_id`: the `state_id` that it was told last, perhaps by another process."""
        self.found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether there is such a batch; raises NotWatchingError."""
        self.ended = False
        """Whether no further state comes: the watcher has stopped, or the batch is gone."""
        self._told_id = told_id
        self._told: BatchProgress | None = None
        self._newest: BatchProgress | None = None
        self._woken = asyncio.Event()

    async def next(self, timeout_s: float) -> BatchProgress | None:
        """The newest state that it was not told yet; None if there is none within the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        self._woken.clear()
        newest, self._newest = self._newest, None
        if newest is not None:
            self._told = newest
        return newest

    def tell(self, seen: BatchProgress | None) -> None:
        """Take what a look found; None if there is no such batch."""
        if not self.found.done():
            self.found.set_result(seen is not None)
        if seen is None:
            self.end()
        elif seen == self._told or (self._told is None and seen.state_id == self._told_id):
            self._told, self._newest = seen, None
        else:
            self._newest = seen
            self._woken.set()

    def end(self) -> None:
        """No further state comes."""
        self.ended = True
        self.refuse("stopped")
        self._woken.set()

    def refuse(self, reason: str) -> None:
        """Fail it if it still waits to hear whether there is such a batch."""
        if not self.found.done():
            self.found.set_exception(NotWatchingError(reason))


class BatchWatcher:
    """Looks twice a second for all batches that somebody listens to; not at all for nobody."""

    def __init__(self, database: Database, zone: DatabaseZone, listener_limit: int) -> None:
        """`database` stays the caller's."""
        self._database = database
        self._zone = zone
        self._listener_limit = listener_limit
        self._listener_count = 0
        self._listeners: dict[str, set[Listener]] = {}
        self._arrived = asyncio.Event()
        self._stopped = False

    @asynccontextmanager
    async def listen(self, batch_id: str, told_id: str | None) -> AsyncGenerator[Listener | None]:
        """A listener to the batch until the body ends; None if there is no such batch.

        It is first told the present state, unless that is `told_id`. Raises TooManyListenersError,
        or NotWatchingError if whether there is such a batch cannot be known now.
        """
        if self._stopped:
            raise NotWatchingError("stopped")
        if self._listener_count >= self._listener_limit:
            serving_metrics.EVENT_LISTENERS_REFUSED.inc()
            raise TooManyListenersError
        listener = Listener(told_id)
        self._add(batch_id, listener)
        try:
            yield listener if await listener.found else None
        finally:
            self._remove(batch_id, listener)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set; all listeners have then ended."""
        waking = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                self._arrived.clear()
                await self._look()
                await is_set_within(stop, _SHORTEST_INTERVAL_S)
                if self._listeners:
                    await is_set_within(self._arrived, _INTERVAL_S)
                else:
                    await self._arrived.wait()
        finally:
            waking.cancel()
            self._stopped = True
            for listener in self._all():
                listener.end()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._arrived.set()

    async def _look(self) -> None:
        if not self._listeners:
            return
        asked = {batch_id: tuple(those) for batch_id, those in self._listeners.items()}
        try:
            found = await self._database.run(partial(_ask, asked.keys(), self._zone))
        except DatabaseUnavailableError as error:
            logger.warning("cannot look how batches get on now", error=str(error))
            for listener in self._all():
                listener.refuse(str(error))
            return
        for batch_id, listeners in asked.items():
            for listener in listeners:
                listener.tell(found.get(batch_id))

    def _all(self) -> list[Listener]:
        return [listener for those in self._listeners.values() for listener in those]

    def _add(self, batch_id: str, listener: Listener) -> None:
        self._listeners.setdefault(batch_id, set()).add(listener)
        self._listener_count += 1
        serving_metrics.EVENT_LISTENERS.set(self._listener_count)
        self._arrived.set()

    def _remove(self, batch_id: str, listener: Listener) -> None:
        self._listeners[batch_id].remove(listener)
        if not self._listeners[batch_id]:
            del self._listeners[batch_id]
        self._listener_count -= 1
        serving_metrics.EVENT_LISTENERS.set(self._listener_count)


def _ask(
    batch_ids: Collection[str], zone: DatabaseZone, connection: Connection[Any]
) -> dict[str, BatchProgress]:
    with connection.cursor() as cursor:
        return {seen.batch_id: seen for seen in queries.look(cursor, batch_ids, zone)}
