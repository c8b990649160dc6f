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

_PASSING_CLASSES = ("08", "40", "53", "55", "57")
# Read-only after a failover; ended while idle; rows that others change at this moment.
_PASSING = ("25006", "25P03", "23503", "23505")
_DATA_CLASSES = ("22", "54")
_DATA = ("23502", "23514")


class DatabaseUnavailable(Exception):
    """The database cannot do it now; the same may succeed later."""


class DataRefused(Exception):
    """The database refuses a value, now and always."""


class Database:
    """One connection. `run` may be called from any task; the calls happen one after the other."""

    def __init__(self, url: str, application_name: str, *, idle_session_timeout_s: int = 0) -> None:
        """The server ends the session, and with it its locks, after so long without a call."""
        self._url = url
        self._options = f"{_SESSION} -c idle_session_timeout={idle_session_timeout_s}s"
        self._application_name = application_name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._connection: psycopg.Connection[Any] | None = None

    async def run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        """What `work` returns; the connection is in autocommit mode, and made anew if it broke.

        Raises DatabaseUnavailable and DataRefused for what psycopg raises, other errors as they
        are. A call that is cancelled is finished nevertheless.
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
                    options=self._options,
                    application_name=self._application_name,
                    **_KEEPALIVE,
                )
            return work(self._connection)
        except psycopg.Error as error:
            kind = _kind_of(error)
            if kind is None:
                raise
            raise kind(f"{error.sqlstate or type(error).__name__}: {error}") from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _kind_of(error: psycopg.Error) -> type[Exception] | None:
    state = error.sqlstate
    if state is None:
        # The driver's own: a value that it cannot send, or a connection that it cannot have.
        if isinstance(error, psycopg.DataError):
            return DataRefused
        return DatabaseUnavailable if isinstance(error, psycopg.OperationalError) else None
    if state.startswith(_PASSING_CLASSES) or state in _PASSING:
        return DatabaseUnavailable
    if state.startswith(_DATA_CLASSES) or state in _DATA:
        return DataRefused
    return None
