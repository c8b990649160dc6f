"""How the API reads the database: compiled queries, sent straight to the driver.

There is one way to read: a handler depends on `QuickQueries` or `GeneralQueries` and calls `rows`
with a `SqlQuery` or `FilterQuery`. The driver gets the statement without a session of the ORM,
which begins a transaction, compiles the statement and builds entities: that takes several times as
long as the server needs for an answer of one row. `databases.py` has the sessions for the paths
that write, or that read what they have just written.
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Annotated, Any, Protocol

import psycopg
from fastapi import Depends, Request
from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import ColumnElement, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import State

from ocrstream_recorder.api.http import database_unavailable, query_timed_out
from ocrstream_recorder.database.zone import DatabaseZone

_DIALECT = PGDialect_psycopg()

# ---- what to ask ---------------------------------------------------------------------------------


class SqlQuery:
    """A SELECT in the driver's words, compiled once."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]] | bytes, *, plan_by_value: bool = False
    ) -> None:
        """`plan_by_value`: the server plans anew for each value, since an index serves rare values
        only and a plan for any value does not use it.
        """
        self.plan_by_value = plan_by_value
        self.literals: Mapping[str, Any] = {}
        """Values that the SELECT itself holds."""
        if isinstance(statement, bytes):
            self.sql = statement
        else:
            compiled = statement.compile(dialect=_DIALECT)
            self.sql = str(compiled).encode()
            # None stands for a parameter, so that the driver raises if a caller leaves one out.
            self.literals = {
                name: value for name, value in compiled.params.items() if value is not None
            }

    def chosen_by(self, _parameters: Mapping[str, Any]) -> "SqlQuery":
        """The query, whatever the parameters are."""
        return self


class FilterQuery:
    """A SELECT with conditions that a request may leave out.

    Each condition has the name of a parameter, and applies if that parameter is not None. A query
    is compiled once for each choice of conditions.
    """

    def __init__(
        self,
        statement: Select[*tuple[Any, ...]],
        conditions: Mapping[str, ColumnElement[bool]],
        *,
        plan_by_value: bool = False,
    ) -> None:
        """`plan_by_value`: as of `SqlQuery`, if any condition applies."""
        self._statement = statement
        self._conditions = conditions
        self._plan_by_value = plan_by_value
        self._compiled: dict[frozenset[str], SqlQuery] = {}

    def chosen_by(self, parameters: Mapping[str, Any]) -> SqlQuery:
        """The query with the conditions whose parameters are not None."""
        names = frozenset(name for name in self._conditions if parameters.get(name) is not None)
        query = self._compiled.get(names)
        if query is None:
            statement = self._statement.where(
                *(condition for name, condition in self._conditions.items() if name in names)
            )
            by_value = self._plan_by_value and bool(names)
            query = self._compiled[names] = SqlQuery(statement, plan_by_value=by_value)
        return query


AnyQuery = SqlQuery | FilterQuery

# ---- whom to ask ---------------------------------------------------------------------------------


class QuerySource(Protocol):
    """Runs queries: a pool, or a transaction on one of its connections."""

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The query's rows as named tuples. Raises Problem (503)."""
        ...


class QueryPool:
    """The connections of an engine, past its sessions; each query is a transaction of its own."""

    def __init__(self, engine: AsyncEngine, *, on_timeout: str) -> None:
        """`engine` is in autocommit, and stays the caller's.

        `on_timeout`: what a client reads whose query reaches the statement timeout.
        """
        self._engine = engine
        self._on_timeout = on_timeout

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The query's rows as named tuples. Raises Problem (503)."""
        with _problems(self._on_timeout):
            async with self._connection() as connection:
                return await _rows(connection, query, parameters)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator["Snapshot"]:
        """One read-only transaction, whose queries all see the same snapshot."""
        with _problems(self._on_timeout):
            async with self._connection() as connection:
                await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield Snapshot(connection)
                await connection.execute("COMMIT")

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection[Any]]:
        pooled = await self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            yield connection
        finally:
            # A cancelled task leaves its statement running, or its transaction open.
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                pooled.invalidate()
            pooled.close()


class Snapshot:
    """Runs queries in one transaction; see `QueryPool.snapshot`."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The query's rows as named tuples."""
        return await _rows(self._connection, query, parameters)


async def _rows(
    connection: AsyncConnection[Any],
    query: AnyQuery,
    parameters: Mapping[str, Any] | None,
) -> Sequence[Any]:
    given = parameters or {}
    chosen = query.chosen_by(given)
    # The driver prepares a statement that it sends often, so that the server keeps a plan.
    prepare = False if chosen.plan_by_value else None
    cursor = connection.cursor(row_factory=namedtuple_row)
    await cursor.execute(chosen.sql, {**chosen.literals, **given}, prepare=prepare)
    return await cursor.fetchall()


@contextmanager
def _problems(on_timeout: str) -> Generator[None]:
    try:
        yield
    except QueryCanceled as error:
        raise query_timed_out(on_timeout) from error
    except (psycopg.OperationalError, OperationalError, PoolTimeoutError) as error:
        raise database_unavailable() from error


# ---- what a handler gets -------------------------------------------------------------------------


class Queries:
    """Runs the queries of one request; `zone` is that of the times in their rows."""

    def __init__(self, source: QuerySource, zone: DatabaseZone) -> None:
        self._source = source
        self.zone = zone

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The query's rows as named tuples. Raises Problem (503)."""
        return await self._source.rows(query, parameters)

    async def first(self, query: AnyQuery, parameters: Mapping[str, Any]) -> Any | None:
        """The first row, or None."""
        rows = await self.rows(query, parameters)
        return rows[0] if rows else None

    def local(self, moment: datetime | None) -> datetime | None:
        """An instant as the tables store it."""
        return None if moment is None else self.zone.to_local(moment)


class CacheableQueries(Queries):
    """Runs the queries of one request whose answer the answer cache may keep.

    The first query selects `DATABASE_STATE`; the cache finds that state in the request.
    """

    def __init__(self, source: QuerySource, zone: DatabaseZone, request_state: State) -> None:
        super().__init__(source, zone)
        self._request_state = request_state

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """The query's rows as named tuples. Raises Problem (503)."""
        rows = await super().rows(query, parameters)
        if not hasattr(self._request_state, "database_state"):
            self._request_state.database_state = rows[0].state if rows else ""
        return rows


async def _quick_queries(request: Request) -> CacheableQueries:
    state = request.app.state
    return CacheableQueries(state.database.quick, state.zone, request.state)


async def _general_queries(request: Request) -> Queries:
    return Queries(request.app.state.database.general, request.app.state.zone)


QuickQueries = Annotated[CacheableQueries, Depends(_quick_queries)]
"""For the paths that are asked most."""
GeneralQueries = Annotated[Queries, Depends(_general_queries)]
"""For all other paths but searches."""
