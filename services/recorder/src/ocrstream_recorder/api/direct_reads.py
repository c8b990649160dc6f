"""Statements that go straight to the driver: for what is asked most, and waited for.

An answer with one row takes the server a fraction of a millisecond; a session, a transaction and a
statement built anew take several times as long as that.
"""

import asyncio
import json
import select
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from ocrstream_recorder.api.sessions import database_unavailable, too_much_to_read

_DIALECT = PGDialect_psycopg()
_WAIT_S = 30.0


class Question:
    """A query of SQLAlchemy's, put into words once."""

    def __init__(self, query: Select[*tuple[Any, ...]], *, plan_by_value: bool = False) -> None:
        """`plan_by_value`: rare values have an index of their own, which a plan for any misses."""
        self.plan_by_value = plan_by_value
        compiled = query.compile(dialect=_DIALECT)
        self.query = query
        self.text = str(compiled).encode()
        self.literals = dict(compiled.params)
        """Values that stand in the query itself."""


class DirectReads:
    """As many connections as may be asked at once, each statement a transaction of its own."""

    def __init__(self, database_url: str, options: str, *, connections: int, too_much: str) -> None:
        """`too_much`: what to ask for instead of what the server did not find in time."""
        self._url = database_url
        self._options = options
        self._too_much = too_much
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[AsyncConnection[Any]] = []

    async def rows(
        self, statement: bytes, parameters: dict[str, Any], *, plan_by_value: bool = False
    ) -> Sequence[Any]:
        """Named tuples. A problem document if the database cannot be asked, or not for so much.

        The server keeps a plan of a statement that it is sent again and again, for any values,
        unless `plan_by_value`.
        """
        prepare = False if plan_by_value else None
        try:
            async with self._connection() as connection:
                cursor = await connection.execute(statement, parameters, prepare=prepare)
                return await cursor.fetchall()
        except QueryCanceled as error:
            raise too_much_to_read(self._too_much) from error
        except (psycopg.OperationalError, TimeoutError) as error:
            raise database_unavailable() from error

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection[Any]]:
        async with asyncio.timeout(_WAIT_S):
            await self._turns.acquire()
        try:
            connection = await self._ready()
            try:
                yield connection
            finally:
                # Whoever was called off in the middle of a statement leaves it there.
                if connection.info.transaction_status is TransactionStatus.IDLE:
                    self._idle.append(connection)
                else:
                    await connection.close()
        finally:
            self._turns.release()

    async def _ready(self) -> AsyncConnection[Any]:
        while self._idle:
            connection = self._idle.pop()
            if not has_ended(connection):
                return connection
            await connection.close()
        connection = await AsyncConnection.connect(
            self._url,
            autocommit=True,
            options=self._options,
            connect_timeout=5,
            row_factory=namedtuple_row,
        )
        set_json_loads(_decode_json, connection)
        return connection


def has_ended(connection: AsyncConnection[Any]) -> bool:
    """Whether the server has ended an idle connection.

    Asked of the socket, not of the server, as a ping would: who is idle is sent nothing but an end.
    """
    if connection.closed:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))


def _decode_json(content: bytes | str) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        # What PostgreSQL takes for JSON and others do not: 1e999, half a surrogate pair.
        return json.loads(content)
