"""Runs a service: its HTTP API beside its other work, until it stops."""

import asyncio
import os
import threading
from collections.abc import Coroutine

import structlog
from fastapi import FastAPI

from ocrstream_runtime.server import serve
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_runtime.tracing import shutdown_tracing

logger = structlog.get_logger(__name__)


async def run_service(
    api: FastAPI,
    settings: ServiceSettings,
    stop: asyncio.Event,
    *work: Coroutine[object, object, None],
) -> int:
    """Serves `api` beside the service's other `work` until `stop` is set; returns the exit code.

    The exit code is 1 if work raises. A shutdown that takes longer than `shutdown_timeout_s` ends
    the process at once with 1.
    """
    shutdown = asyncio.create_task(_limit_shutdown(stop, settings.shutdown_timeout_s))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(api, settings, stop))
            for coroutine in work:
                group.create_task(coroutine)
    except ExceptionGroup:
        logger.exception("the service ends because its work failed")
        return 1
    finally:
        shutdown.cancel()
        shutdown_tracing()
    logger.info("stopped")
    return 0


async def _serve(api: FastAPI, settings: ServiceSettings, stop: asyncio.Event) -> None:
    try:
        await serve(api, settings, stop)
    finally:
        stop.set()


async def _limit_shutdown(stop: asyncio.Event, timeout_s: float) -> None:
    """Waits for `stop`, and ends the process if its shutdown takes longer than the timeout.

    A Kafka client flushes for as long as the broker is away, and a read from a dead disk never
    returns. Nothing is lost: consumers read unfinished records again.
    """
    await stop.wait()

    def end_process() -> None:
        logger.error(
            "the shutdown takes too long; unfinished records are read again", timeout_s=timeout_s
        )
        os._exit(1)

    timer = threading.Timer(timeout_s, end_process)
    timer.daemon = True
    timer.start()
