"""Connections that write, each on a thread of its own, and what the database's errors mean."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.types.json import set_json_loads

ResultT = TypeVar("ResultT")

_CONNECT_TIMEOUT_S = 5
# A recorder that was stopped in the middle of a transaction must not keep others waiting.
_SESSION = "-c idle_in_transaction_session_timeout=5s -c timezone=UTC"
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_DATA_CLASSES = ("22", "54")
_DATA = ("23502", "23514")


class DatabaseUnavailable(Exception):
    """The database does not do it now; the same may succeed once it, or its schema, is mended."""


class DataRefused(Exception):
    """The database refuses a value, now and always."""


class Database:
    """As many connections as calls of `run` may be under way at once; more calls wait."""

    def __init__(
        self,
        url: str,
        application_name: str,
        *,
        connections: int = 1,
        idle_session_timeout_s: int = 0,
    ) -> None:
        """The server ends a session, and its locks, after so long without a call; 0: never."""
        self._url = url
        self._options = f"{_SESSION} -c idle_session_timeout={idle_session_timeout_s}s"
        self._application_name = application_name
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="database")
        self._mine = threading.local()
        self._connections: list[psycopg.Connection[Any]] = []

    async def run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        """What `work` returns; the connection is in autocommit mode, and made anew if it broke.

        Raises DataRefused for what the database refuses to store and for text that has no
        encoding, DatabaseUnavailable for whatever else psycopg raises, other errors as they are. A
        call that is cancelled is finished nevertheless.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    async def close(self) -> None:
        """Close the connections after what is under way."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        try:
            return work(self._connection())
        except UnicodeEncodeError as error:
            raise DataRefused(str(error)) from error
        except psycopg.Error as error:
            raise _kind_of(error)(f"{error.sqlstate or type(error).__name__}: {error}") from error

    def _connection(self) -> psycopg.Connection[Any]:
        mine: psycopg.Connection[Any] | None = getattr(self._mine, "connection", None)
        if mine is None or mine.closed:
            self._connections = [one for one in self._connections if not one.closed]
            mine = self._mine.connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_S,
                options=self._options,
                application_name=self._application_name,
                **_KEEPALIVE,
            )
            # The very decoder that read the events, so that what comes back equals what went in.
            set_json_loads(msgspec.json.decode, mine)
            self._connections.append(mine)
        return mine


def _kind_of(error: psycopg.Error) -> type[DataRefused | DatabaseUnavailable]:
    state = error.sqlstate
    if state is None:
        # The driver's own: a value that it cannot send, or a connection that it cannot have.
        return DataRefused if isinstance(error, psycopg.DataError) else DatabaseUnavailable
    refused = state.startswith(_DATA_CLASSES) or state in _DATA
    return DataRefused if refused else DatabaseUnavailable
