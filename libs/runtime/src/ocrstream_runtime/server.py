"""Serves HTTP in the event loop of a service's other work."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator

import structlog
import uvicorn
from fastapi import FastAPI

from ocrstream_runtime.settings import ServiceSettings

# Longer than the timeout of proxies, because the side that closes an idle connection may drop a
# request.
_KEEP_ALIVE_S = 75

logger = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to the service, which finishes other work besides requests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def stop_on_signals() -> asyncio.Event:
    """Returns an event that SIGTERM or SIGINT sets; a second signal ends the process as usual."""
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
    """Returns a listening socket whose connections send every segment at once (TCP_NODELAY).

    asyncio sets that option only on a socket that names its protocol, which `create_server` does
    not: the second segment of a response would wait 40 ms for the acknowledgement of the first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(app: FastAPI, settings: ServiceSettings, stop: asyncio.Event) -> None:
    """Serves `app` until `stop` is set, then finishes the requests in progress.

    Raises OSError if the address is not available.
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
    # Bound here because uvicorn raises SystemExit if another process uses the port.
    with listen(settings.http_host, settings.http_port) as listener:
        host, port = listener.getsockname()[:2]
        logger.info("serving HTTP", url=f"http://{host}:{port}")

        async def exit_on_stop() -> None:
            await stop.wait()
            server.should_exit = True

        exiting = asyncio.create_task(exit_on_stop())
        try:
            await server.serve(sockets=[listener])
        finally:
            exiting.cancel()
