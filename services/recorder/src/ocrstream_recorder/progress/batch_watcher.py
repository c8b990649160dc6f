"""Follows the progress of batches for any number of listeners, with one query for all of them.

A listener gets states, not changes. It holds only the newest, so a slow listener skips outdated
states and delays nobody.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

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
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.errors import StoppedError
from ocrstream_runtime.lifecycle import cancel_on

_INTERVAL_S = 0.5
# A new listener does not wait for the interval; those that arrive in this time share a query.
_SHORTEST_INTERVAL_S = 0.05


class Listener:
    """Receives the states of one batch."""

    def __init__(self, last_state_id: str | None) -> None:
        """`last_state_id` is that of the client's last state, perhaps from another process."""
        self.exists: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the batch exists; raises NotWatchingError."""
        self.ended = False
        """Whether no further state follows: the watcher has stopped, or the batch is gone."""
        self._last_state_id = last_state_id
        self._last: BatchProgress | None = None
        self._newest: BatchProgress | None = None
        self._changed = asyncio.Event()

    async def next(self, timeout_s: float) -> BatchProgress | None:
        """Returns the newest state that it has not returned yet; None if none arrives in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()
        newest, self._newest = self._newest, None
        if newest is not None:
            self._last = newest
        return newest

    def publish(self, state: BatchProgress | None) -> None:
        """Accepts the current state; None if the batch does not exist."""
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
        """Ends the listener: no further state follows."""
        self.ended = True
        self.fail("stopped")
        self._changed.set()

    def fail(self, reason: str) -> None:
        """Fails the listener if it is still unknown whether the batch exists."""
        if not self.exists.done():
            self.exists.set_exception(NotWatchingError(reason))


class BatchWatcher:
    """Reads the progress of all batches that have listeners, twice a second; queries no others."""

    def __init__(self, database: Database, zone: DatabaseZone, listener_limit: int) -> None:
        """The caller closes `database`."""
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
        """Yields a listener to the batch, or None if the batch does not exist.

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
        """Publishes states to the listeners until `stop` is set; then ends all listeners."""
        loop = BackgroundLoop(
            "batch progress",
            lambda: self._run_round(stop),
            interval_s=_INTERVAL_S,
            retry_on=(DatabaseUnavailableError,),
            wake=self._arrived,
            on_failure=self._fail,
        )
        try:
            with suppress(StoppedError):
                await loop.run(stop)
        finally:
            self._stopped = True
            for listener in self._all():
                listener.end()

    async def _run_round(self, stop: asyncio.Event) -> None:
        while not self._listeners:
            # In the round, because only a query shows that an outage of the database is over.
            await cancel_on(self._arrived.wait(), stop)
            self._arrived.clear()
        listening = {batch_id: tuple(those) for batch_id, those in self._listeners.items()}
        states = await self._database.run(partial(_read, listening.keys(), self._zone))
        for batch_id, listeners in listening.items():
            for listener in listeners:
                listener.publish(states.get(batch_id))
        await asyncio.sleep(_SHORTEST_INTERVAL_S)

    def _fail(self, error: Exception) -> None:
        for listener in self._all():
            listener.fail(str(error))

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
