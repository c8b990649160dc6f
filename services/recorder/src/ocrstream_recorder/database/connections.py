"""Connections that write, each on a thread of its own, and what the database's errors mean."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.types.json import set_json_loads

from ocrstream_recorder.errors import (
    DatabaseUnavailableError,
    DataRefusedError,
    IdleInTransactionError,
    SessionLostError,
)

ResultT = TypeVar("ResultT")

TRANSACTION_IDLE_TIMEOUT_S = 30.0
"""How long a transaction may wait for this process, unless somebody sets more."""

_CONNECT_TIMEOUT_S = 5
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_DATA_CLASSES = ("22", "54")
_DATA = ("23502", "23514")
_IDLE_IN_TRANSACTION = "25P03"
# Told by an administrator to end, or because another process of the server crashed; idle for long.
_SESSION_ENDED = ("57P01", "57P02", "57P05")


class Database:
    """As many connections as calls of `run` may be under way at once; more calls wait."""

    def __init__(
        self,
        url: str,
        application_name: str,
        *,
        connections: int = 1,
        transaction_idle_timeout_s: float = TRANSACTION_IDLE_TIMEOUT_S,
        idle_session_timeout_s: int = 0,
    ) -> None:
        """The server ends a session, and its locks, after so long without a statement: in a
        transaction, so that a stopped process does not keep others waiting, and outside of one;
        0: never.
        """
        self._url = url
        self._transaction_idle_timeout_s = transaction_idle_timeout_s
        self._options = (
            f"-c idle_in_transaction_session_timeout={round(transaction_idle_timeout_s * 1000)}ms"
            f" -c idle_session_timeout={idle_session_timeout_s}s -c timezone=UTC"
        )
        self._application_name = application_name
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="database")
        self._local = threading.local()
        self._connections: list[psycopg.Connection[Any]] = []

    async def run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        """What `work` returns; the connection is in autocommit mode, and made anew if it broke.

        Raises DataRefusedError for values that the database refuses and for text that has no
        encoding, SessionLostError if the session ended meanwhile, DatabaseUnavailableError for all
        other errors of psycopg; other exceptions pass unchanged. A cancelled call still finishes.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    async def close(self) -> None:
        """Close the connections after what is under way."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[psycopg.Connection[Any]], ResultT]) -> ResultT:
        connection = None
        try:
            connection = self._connection()
            return work(connection)
        except UnicodeEncodeError as error:
            raise DataRefusedError(str(error)) from error
        except psycopg.Error as error:
            is_lost = connection is not None and connection.closed
            state = error.sqlstate
            if connection is not None and is_lost:
                state = state or self._ended_by(connection)
            if state == _IDLE_IN_TRANSACTION:
                raise IdleInTransactionError(
                    f"{state}: between two statements of a transaction this process took longer"
                    f" than {self._transaction_idle_timeout_s:g} s"
                    " (OCRSTREAM_TRANSACTION_IDLE_TIMEOUT_S), so the server ended the session"
                ) from error
            kind = SessionLostError if is_lost else _kind_of(error)
            raise kind(f"{state or type(error).__name__}: {error}") from error

    def _connection(self) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            self._connections = [kept for kept in self._connections if not kept.closed]
            connection = self._local.connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_S,
                options=self._options,
                application_name=self._application_name,
                **_KEEPALIVE,
            )
            self._local.ended_by = None
            connection.add_notice_handler(self._note)
            # The very decoder that read the events, so that what comes back equals what went in.
            set_json_loads(msgspec.json.decode, connection)
            self._connections.append(connection)
        return connection

    def _ended_by(self, connection: psycopg.Connection[Any]) -> str | None:
        """The SQLSTATE that the server ended a lost session with, if it named one.

        To libpq it is a notice where a statement was not sent yet, and psycopg reports nothing but
        a broken connection.
        """
        connection.pgconn.get_result()  # lets libpq read what came last
        return self._local.ended_by

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "FATAL":
            self._local.ended_by = notice.sqlstate


def _kind_of(error: psycopg.Error) -> type[DataRefusedError | DatabaseUnavailableError]:
    state = error.sqlstate
    if state in _SESSION_ENDED:
        return SessionLostError
    if state is None:
        # The driver's own: a value that it cannot send, or a connection that it cannot have.
        return (
            DataRefusedError if isinstance(error, psycopg.DataError) else DatabaseUnavailableError
        )
    refused = state.startswith(_DATA_CLASSES) or state in _DATA
    return DataRefusedError if refused else DatabaseUnavailableError
