"""The API's connections to the database."""

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ocrstream_recorder.store.migrate import sqlalchemy_url


def reading_engine(database_url: str, *, connections: int, timeout_s: float) -> AsyncEngine:
    """An engine whose transactions cannot write, and whose statements end after `timeout_s`."""
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{round(timeout_s * 1000)}ms",
        # Values that are rare are found by indexes of their own; a plan for any value misses these.
        "plan_cache_mode": "force_custom_plan",
        # A read is too short for what compiling it would take.
        "jit": "off",
    }
    return _engine(database_url, connections, options)


def marking_engine(database_url: str) -> AsyncEngine:
    """An engine for the few paths that change a row, one at a time."""
    return _engine(database_url, 1, {})


def _engine(database_url: str, connections: int, options: dict[str, str]) -> AsyncEngine:
    told = {"timezone": "UTC", **options}
    return create_async_engine(
        sqlalchemy_url(database_url),
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in told.items()),
            "connect_timeout": 5,
        },
    )
