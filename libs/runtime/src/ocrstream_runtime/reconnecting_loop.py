"""A background loop whose rounds share a connection, which each failure replaces."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Generic, TypeVar

from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.retries import OUTAGE_BACKOFF
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout

ConnectionT = TypeVar("ConnectionT")


class ReconnectingLoop(Generic[ConnectionT]):
    """Connects, then calls `run_round` with the connection until a stop; reconnects after failures.

    `connect` opens a connection and closes it at the end of its context. Opening it and each round
    may take `timeout_s`, in which time without CPU does not count; a timeout is a failure, like an
    exception of `retry_on`. After a failure the loop closes the connection, waits for
    OUTAGE_BACKOFF and connects again. All else is like in `BackgroundLoop`.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractAsyncContextManager[ConnectionT]],
        run_round: Callable[[ConnectionT], Awaitable[float | None]],
        *,
        interval_s: float,
        timeout_s: float,
        retry_on: tuple[type[Exception], ...],
        wake: asyncio.Event | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._connect = connect
        self._run_round = run_round
        self._timeout_s = timeout_s
        self._retry_on = (*retry_on, TimeoutError)
        self._open = AsyncExitStack()
        self._connection: ConnectionT | None = None
        self._loop = BackgroundLoop(
            name,
            self._run_connected_round,
            interval_s=interval_s,
            retry_on=self._retry_on,
            backoff=OUTAGE_BACKOFF,
            wake=wake,
            on_failure=on_failure,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Runs rounds until `stop` is set, then closes the connection.

        Raises what a round raises that is not in `retry_on`.
        """
        try:
            await self._loop.run(stop)
        finally:
            await self._disconnect()

    async def _run_connected_round(self) -> float | None:
        try:
            if self._connection is None:
                async with StarvationAwareTimeout(self._timeout_s):
                    self._connection = await self._open.enter_async_context(self._connect())
            async with StarvationAwareTimeout(self._timeout_s):
                return await self._run_round(self._connection)
        except self._retry_on:
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        self._connection = None
        await self._open.aclose()
