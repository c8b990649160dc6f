"""Database sessions for requests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ocrstream_runtime.problems import Problem


@asynccontextmanager
async def open_session(engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
    """A session; a problem document if the database cannot be asked now."""
    try:
        async with AsyncSession(engine) as session:
            yield session
    except (OperationalError, PoolTimeoutError) as error:
        if isinstance(error, OperationalError) and isinstance(error.orig, QueryCanceled):
            raise Problem(
                503,
                "Too much to read",
                "The database did not find this in time; ask for less, like a shorter time",
            ) from error
        raise Problem(
            503,
            "Database unavailable",
            "The database cannot be asked now; try again in a moment",
            headers={"Retry-After": "2"},
        ) from error
