"""Statements that go straight to the driver: for what is asked most, and waited for.

An answer with one row takes the server a fraction of a millisecond; a session, a transaction and a
statement built anew take several times as long as that.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api.sessions import database_unavailable, too_much_to_read

_DIALECT = PGDialect_psycopg()


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
    """Through an engine's pool past its sessions, each statement a transaction of its own."""

    def __init__(self, engine: AsyncEngine, *, too_much: str) -> None:
        """`engine` is in autocommit, and the caller's.

        `too_much`: what to ask for instead of what the server did not find in time.
        """
        self._engine = engine
        self._too_much = too_much

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
                cursor = connection.cursor(row_factory=namedtuple_row)
                await cursor.execute(statement, parameters, prepare=prepare)
                return await cursor.fetchall()
        except QueryCanceled as error:
            raise too_much_to_read(self._too_much) from error
        except (psycopg.OperationalError, OperationalError, PoolTimeoutError) as error:
            raise database_unavailable() from error

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection[Any]]:
        pooled = await self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            yield connection
        finally:
            # Whoever was called off in the middle of a statement leaves it there.
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                pooled.invalidate()
            pooled.close()
