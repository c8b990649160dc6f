"""Serves HTTP beside a service's own work, in the same event loop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator

import structlog
import uvicorn
from fastapi import FastAPI

from ocrstream_runtime.settings import ServiceSettings

# Longer than proxies keep theirs: whoever closes an idle connection may cut a request off.
_KEEP_ALIVE_S = 75

logger = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to the service, which has more to finish than requests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process as usual."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        logger.info("stopping", signal=number.name)
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; what it accepts sends every segment at once.

    asyncio sees to that only where a socket names its protocol, which those made here do not: the
    second segment of an answer would wait 40 ms for the first one's acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(app: FastAPI, settings: ServiceSettings, stop: asyncio.Event) -> None:
    """Serves `app` until `stop` is set, then finishes the requests that are under way.

    Raises OSError if the address cannot be had.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_timeout_s)),
        )
    )
    # Bound here because uvicorn would answer a taken port with SystemExit.
    with listen(settings.http_host, settings.http_port) as listener:
        host, port = listener.getsockname()[:2]
        logger.info("serving HTTP", url=f"http://{host}:{port}")

        async def end_when_told() -> None:
            await stop.wait()
            server.should_exit = True

        ender = asyncio.create_task(end_when_told())
        try:
            await server.serve(sockets=[listener])
        finally:
            ender.cancel()
