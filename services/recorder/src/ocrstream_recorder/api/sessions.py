"""Database sessions for requests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ocrstream_runtime.errors import ProblemError

ASK_FOR_LESS = "The database did not find this in time; ask for less, like a shorter time"


@asynccontextmanager
async def open_session(engine: AsyncEngine) -> AsyncGenerator[AsyncSession]:
    """A session; a problem document if the database cannot be asked now."""
    try:
        async with AsyncSession(engine) as session:
            yield session
    except (OperationalError, PoolTimeoutError) as error:
        if isinstance(error, OperationalError) and isinstance(error.orig, QueryCanceled):
            raise too_much_to_read(ASK_FOR_LESS) from error
        raise database_unavailable() from error


def too_much_to_read(detail: str) -> ProblemError:
    """That the time was up; `detail` says what to ask for instead."""
    return ProblemError(503, "Too much to read", detail)


def database_unavailable() -> ProblemError:
    """That it may be asked again in a moment."""
    return ProblemError(
        503,
        "Database unavailable",
        "The database cannot be asked now; try again in a moment",
        headers={"Retry-After": "2"},
    )
