"""The connection that writes, on a thread of its own, and what the database's errors mean."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg

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
    """One connection. `run` may be called from any task; the calls happen one after the other."""

    def __init__(self, url: str, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._connection: psycopg.Connection[Any] | None = None

    async def run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        """What `work` returns; the connection is in autocommit mode, and made anew if it broke.

        Raises DataRefused for what the database refuses to store and for text that has no
        encoding, DatabaseUnavailable for whatever else psycopg raises, other errors as they are. A
        call that is cancelled is finished nevertheless.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def close(self) -> None:
        """Close the connection after what is under way."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=_CONNECT_TIMEOUT_S,
                    options=_SESSION,
                    application_name=self._application_name,
                    **_KEEPALIVE,
                )
            return work(self._connection)
        except UnicodeEncodeError as error:
            raise DataRefused(str(error)) from error
        except psycopg.Error as error:
            raise _kind_of(error)(f"{error.sqlstate or type(error).__name__}: {error}") from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _kind_of(error: psycopg.Error) -> type[DataRefused | DatabaseUnavailable]:
    state = error.sqlstate
    if state is None:
        # The driver's own: a value that it cannot send, or a connection that it cannot have.
        return DataRefused if isinstance(error, psycopg.DataError) else DatabaseUnavailable
    refused = state.startswith(_DATA_CLASSES) or state in _DATA
    return DataRefused if refused else DatabaseUnavailable
