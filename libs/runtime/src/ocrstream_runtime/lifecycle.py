"""Starting up while what a service needs may not be there yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

logger = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 5.0


class Stopped(Exception):
    """The service was told to stop before what it waited for was there."""


async def is_set_within(event: asyncio.Event, limit_s: float) -> bool:
    """Whether `event` is set, waiting for it as long as `limit_s`."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def unless_stopped(awaited: Awaitable[ResultT], stop: asyncio.Event) -> ResultT:
    """What `awaited` returns. Raises Stopped, and cancels it, if `stop` is set before."""
    waiting = asyncio.ensure_future(awaited)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return await waiting
        raise Stopped
    finally:
        waiting.cancel()
        stopping.cancel()


async def keep_trying(
    what: str,
    attempt: Callable[[], Awaitable[ResultT]],
    passing: tuple[type[Exception], ...],
    stop: asyncio.Event,
) -> ResultT:
    """What `attempt` returns, tried again while it raises one of `passing`.

    `what` names in the log what is waited for. Raises Stopped if `stop` is set meanwhile.
    """
    backoff_s = _FIRST_BACKOFF_S
    while not stop.is_set():
        try:
            return await attempt()
        except passing as error:
            logger.warning("waiting", what=what, error=str(error), backoff_s=backoff_s)
        try:
            async with asyncio.timeout(backoff_s):
                await stop.wait()
        except TimeoutError:
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
    raise Stopped
