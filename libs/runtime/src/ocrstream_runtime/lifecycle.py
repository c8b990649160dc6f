"""Waits that end when an event is set, such as a service's stop event."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from ocrstream_runtime.errors import StoppedError

ResultT = TypeVar("ResultT")


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Waits up to `timeout_s` for `event`; returns whether the event is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def cancel_on(awaited: Awaitable[ResultT], stop: asyncio.Event) -> ResultT:
    """Returns what `awaited` returns; cancels it and raises StoppedError if `stop` is set first."""
    waiting = asyncio.ensure_future(awaited)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return await waiting
        raise StoppedError
    finally:
        waiting.cancel()
        stopping.cancel()
