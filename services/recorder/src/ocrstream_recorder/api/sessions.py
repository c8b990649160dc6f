"""Database sessions for requests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

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
        raise Problem(
            503,
            "Database unavailable",
            "The database cannot be asked now; try again in a moment",
            headers={"Retry-After": "2"},
        ) from error
