"""Follows the progress of batches for any number of listeners, with one query for all of them.

A listener gets states, not changes. It holds only the newest, so a slow listener skips outdated
states and delays nobody.
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
from ocrstream_runtime.lifecycle import wait_for_event

logger = structlog.get_logger(__name__)

_INTERVAL_S = 0.5
# A new listener does not wait for the interval; those that arrive in this time share a query.
_SHORTEST_INTERVAL_S = 0.05


class Listener:
    """Receives the states of one batch."""

    def __init__(self, last_state_id: str | None) -> None:
        """`last_state_id`: of the last state that its client has, perhaps from another process."""
        self.exists: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the batch exists; raises NotWatchingError."""
        self.ended = False
        """Whether no further state follows: the watcher has stopped, or the batch is gone."""
        self._last_state_id = last_state_id
        self._last: BatchProgress | None = None
        self._newest: BatchProgress | None = None
        self._changed = asyncio.Event()

    async def next(self, timeout_s: float) -> BatchProgress | None:
        """The newest state that it has not returned yet; None if there is none within the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()
        newest, self._newest = self._newest, None
        if newest is not None:
            self._last = newest
        return newest

    def publish(self, state: BatchProgress | None) -> None:
        """Accept the current state; None if the batch does not exist."""
        if not self.exists.done():
            self.exists.set_result(state is not None)
        if state is None:
            self.end()
        elif state == self._last or (self._last is None and state.state_id == self._last_state_id):
            self._last, self._newest = state, None
        else:
            self._newest = state
            self._changed.set()

    def end(self) -> None:
        """End the listener: no further state follows."""
        self.ended = True
        self.fail("stopped")
        self._changed.set()

    def fail(self, reason: str) -> None:
        """Fail the listener if it is still unknown whether the batch exists."""
        if not self.exists.done():
            self.exists.set_exception(NotWatchingError(reason))


class BatchWatcher:
    """Reads the progress of all batches that have listeners, twice a second; never without one."""

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
    async def listen(
        self, batch_id: str, last_state_id: str | None
    ) -> AsyncGenerator[Listener | None]:
        """A listener to the batch until the body ends; None if the batch does not exist.

        Its first state is the current one, unless that is `last_state_id`. Raises
        TooManyListenersError, or NotWatchingError if it cannot know whether the batch exists.
        """
        if self._stopped:
            raise NotWatchingError("stopped")
        if self._listener_count >= self._listener_limit:
            serving_metrics.EVENT_LISTENERS_REFUSED.inc()
            raise TooManyListenersError
        listener = Listener(last_state_id)
        self._add(batch_id, listener)
        try:
            yield listener if await listener.exists else None
        finally:
            self._remove(batch_id, listener)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set; then end all listeners."""
        waking = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                self._arrived.clear()
                await self._publish()
                await wait_for_event(stop, _SHORTEST_INTERVAL_S)
                if self._listeners:
                    await wait_for_event(self._arrived, _INTERVAL_S)
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

    async def _publish(self) -> None:
        if not self._listeners:
            return
        listening = {batch_id: tuple(those) for batch_id, those in self._listeners.items()}
        try:
            states = await self._database.run(partial(_read, listening.keys(), self._zone))
        except DatabaseUnavailableError as error:
            logger.warning("batch progress unavailable", error=str(error))
            for listener in self._all():
                listener.fail(str(error))
            return
        for batch_id, listeners in listening.items():
            for listener in listeners:
                listener.publish(states.get(batch_id))

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


def _read(
    batch_ids: Collection[str], zone: DatabaseZone, connection: Connection[Any]
) -> dict[str, BatchProgress]:
    with connection.cursor() as cursor:
        return {state.batch_id: state for state in queries.read_progress(cursor, batch_ids, zone)}
