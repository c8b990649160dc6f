"""The API's connections to the database."""

import select
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ocrstream_recorder.api.direct_reads import DirectReads
from ocrstream_recorder.api.sessions import ASK_FOR_LESS
from ocrstream_recorder.api.stored_json import decode_stored
from ocrstream_recorder.migrations.migrate import sqlalchemy_url
from ocrstream_recorder.search import queries

SEARCHES_AT_ONCE = 4
# Values that are rare are found by indexes of their own; a plan for any value misses these.
_PLAN_BY_VALUE = "force_custom_plan"


class ReadDatabase:
    """What requests read through; nothing of it can write.

    Each statement is a transaction of its own, and ends after a time. What is asked most and what
    may take long have connections of their own, so that neither waits for the other.
    """

    def __init__(self, database_url: str, *, connections: int, timeout_s: float) -> None:
        """`connections` for what is asked most, and as many for the rest, searches aside."""
        by_value = {"plan_cache_mode": _PLAN_BY_VALUE}
        self.engine = _reading_engine(database_url, connections, timeout_s, by_value)
        self._quick_engine = _reading_engine(database_url, connections, timeout_s, {})
        self._searching_engine = _reading_engine(
            database_url, SEARCHES_AT_ONCE, min(timeout_s, queries.TIMEOUT_S), queries.SETTINGS
        )
        self.quick = DirectReads(self._quick_engine, too_much=ASK_FOR_LESS)
        self.searches = DirectReads(
            self._searching_engine,
            too_much=f"It took longer than {queries.TIMEOUT_S} s; look for a longer text, or in one"
            " batch",
        )

    async def close(self) -> None:
        """Close all connections."""
        for engine in (self.engine, self._quick_engine, self._searching_engine):
            await engine.dispose()


def _reading_engine(
    database_url: str, connections: int, timeout_s: float, further: dict[str, str]
) -> AsyncEngine:
    options = {
        "timezone": "UTC",
        "default_transaction_read_only": "on",
        "statement_timeout": f"{round(timeout_s * 1000)}ms",
        # A read is too short for what compiling it would take.
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


def options_of(settings: Mapping[str, str]) -> str:
    """What a connection is opened with, to have these settings."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def write_engine(database_url: str) -> AsyncEngine:
    """An engine for the few paths that change a row, one at a time."""
    return _engine(database_url, 1, options_of({"timezone": "UTC"}))


def _engine(database_url: str, connections: int, options: str, **further: Any) -> AsyncEngine:
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=connections,
        max_overflow=0,
        connect_args={"options": options, "connect_timeout": 5},
        **further,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_ended)
    return engine


def _refuse_ended(dbapi_connection: Any, *_: object) -> None:
    """Have the pool connect anew in place of a connection that the server has ended.

    Asked of the socket, not of the server, as a ping would: who is idle is sent nothing but an end.
    """
    connection: AsyncConnection[Any] = dbapi_connection.driver_connection
    if not connection.closed:
        readable = select.poll()
        readable.register(connection.fileno(), select.POLLIN)
        if not readable.poll(0):
            return
    raise DisconnectionError
