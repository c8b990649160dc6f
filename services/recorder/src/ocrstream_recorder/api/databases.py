"""The API's connections to the database.

Requests read through `ReadDatabase`. The few paths that write use sessions of `write_engine`: these
change one row at a time, and read back what they wrote.
"""

import select
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from ocrstream_recorder.api.http import database_unavailable, query_timed_out
from ocrstream_recorder.api.queries import QueryPool
from ocrstream_recorder.api.rows import decode_stored
from ocrstream_recorder.migrations.migrate import sqlalchemy_url
from ocrstream_recorder.search import queries as search_queries

CONCURRENT_SEARCHES = 4
# An index of its own serves each rare value; a plan for any value does not use it.
_PLAN_BY_VALUE = "force_custom_plan"
_ASK_FOR_LESS = "The query took too long; ask for less, such as a shorter time range"
_NARROW_SEARCH = (
    f"The search took longer than {search_queries.TIMEOUT_S} s; search for a longer text, or in one"
    " batch"
)


class ReadDatabase:
    """What requests read through; none of its connections can write.

    Each statement is a transaction of its own and has a timeout. Each of the three pools has its
    own connections, so that none waits for another: `quick` for the paths that are asked most,
    `searches`, and `general` for all others.
    """

    def __init__(self, database_url: str, *, connections: int, timeout_s: float) -> None:
        """`connections`: how many `quick` has, and `general` as many."""
        by_value = {"plan_cache_mode": _PLAN_BY_VALUE}
        search_timeout_s = min(timeout_s, search_queries.TIMEOUT_S)
        self.engine = _read_engine(database_url, connections, timeout_s, by_value)
        self._quick_engine = _read_engine(database_url, connections, timeout_s, {})
        self._search_engine = _read_engine(
            database_url, CONCURRENT_SEARCHES, search_timeout_s, search_queries.SETTINGS
        )
        self.general = QueryPool(self.engine, on_timeout=_ASK_FOR_LESS)
        self.quick = QueryPool(self._quick_engine, on_timeout=_ASK_FOR_LESS)
        self.searches = QueryPool(self._search_engine, on_timeout=_NARROW_SEARCH)

    async def close(self) -> None:
        """Close all connections."""
        for engine in (self.engine, self._quick_engine, self._search_engine):
            await engine.dispose()


def write_engine(database_url: str) -> AsyncEngine:
    """An engine with one connection, for the few paths that change a row."""
    return _engine(database_url, 1, options_of({"timezone": "UTC"}))


@asynccontextmanager
async def open_session(engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
    """A session. Raises Problem (503) if the database is unavailable or a statement times out."""
    try:
        async with AsyncSession(engine) as session:
            yield session
    except (OperationalError, PoolTimeoutError) as error:
        if isinstance(error, OperationalError) and isinstance(error.orig, QueryCanceled):
            raise query_timed_out(_ASK_FOR_LESS) from error
        raise database_unavailable() from error


def options_of(settings: Mapping[str, str]) -> str:
    """The options that open a connection with these settings."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _read_engine(
    database_url: str, connections: int, timeout_s: float, further: dict[str, str]
) -> AsyncEngine:
    options = {
        "timezone": "UTC",
        "default_transaction_read_only": "on",
        "statement_timeout": f"{round(timeout_s * 1000)}ms",
        # Compiling a statement would take longer than running it.
        "jit": "off",
        **further,
    }
    return _engine(
        database_url,
        connections,
        options_of(options),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        json_deserializer=decode_stored,
    )


def _engine(database_url: str, connections: int, options: str, **further: Any) -> AsyncEngine:
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=connections,
        max_overflow=0,
        connect_args={"options": options, "connect_timeout": 5},
        **further,
    )
    event.listen(engine.sync_engine, "checkout", _replace_ended)
    return engine


def _replace_ended(dbapi_connection: Any, *_: object) -> None:
    """Have the pool connect anew in place of a connection that the server has ended.

    A ping would cost a round trip. This asks the socket instead: the server sends nothing to an
    idle connection but its end.
    """
    connection: AsyncConnection[Any] = dbapi_connection.driver_connection
    if not connection.closed:
        readable = select.poll()
        readable.register(connection.fileno(), select.POLLIN)
        if not readable.poll(0):
            return
    raise DisconnectionError
