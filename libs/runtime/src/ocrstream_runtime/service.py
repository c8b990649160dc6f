"""How every service lives and ends."""

import asyncio
import os
import threading
from collections.abc import Coroutine

import structlog
from fastapi import FastAPI

from ocrstream_runtime.server import serve
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.tracing import end_tracing

logger = structlog.get_logger(__name__)


async def run_service(
    api: FastAPI,
    settings: ServiceSettings,
    stop: asyncio.Event,
    *work: Coroutine[object, object, None],
) -> int:
    """Serve `api` beside the service's own `work` until `stop` is set; returns the exit code.

    Work that raises ends the service with 1. So does, at once, an end that takes longer than
    `shutdown_timeout_s`.
    """
    watching = asyncio.create_task(_end_in_time(stop, settings.shutdown_timeout_s))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(api, settings, stop))
            for one in work:
                group.create_task(one)
    except ExceptionGroup:
        logger.exception("the service ends")
        return 1
    finally:
        watching.cancel()
        end_tracing()
    logger.info("stopped")
    return 0


async def _serve(api: FastAPI, settings: ServiceSettings, stop: asyncio.Event) -> None:
    try:
        await serve(api, settings, stop)
    finally:
        stop.set()


async def _end_in_time(stop: asyncio.Event, limit_s: float) -> None:
    """Once `stop` is set the process ends within the limit, if need be with 1 at once.

    A Kafka client flushes for as long as the broker is away, and a read from a dead disk never
    returns. Nothing is lost: what was not finished is read again.
    """
    await stop.wait()

    def give_up() -> None:
        logger.error("not ended in time; what was in flight is read again", limit_s=limit_s)
        os._exit(1)

    timer = threading.Timer(limit_s, give_up)
    timer.daemon = True
    timer.start()
