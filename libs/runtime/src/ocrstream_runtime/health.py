"""/livez, /readyz and /metrics, the same in every service."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[None]]

_CHECK_TIMEOUT_S = 3.0


class NotReady(Exception):
    """What a check raises; the message says what is missing."""


class Health:
    """What must hold for the service to be alive and to be ready.

    Liveness is about what only a restart cures; readiness about what may come back by itself.
    """

    def __init__(self) -> None:
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}

    def add_check(self, name: str, check: Check, *, live: bool = False) -> None:
        """`check` returns if all is well and raises if not; `live`: it is about liveness."""
        (self._live if live else self._ready)[name] = check

    async def troubles(self, *, live: bool = False) -> dict[str, str]:
        """What does not hold now, by check."""
        # A copy: a service that starts adds checks while others are being asked.
        checks = dict(self._live if live else self._ready)
        results = await asyncio.gather(*(_trouble(check) for check in checks.values()))
        return {name: trouble for name, trouble in zip(checks, results, strict=True) if trouble}


async def _trouble(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a check raises is the trouble to report
        return f"{type(error).__name__}: {error}"
    return None


def create_ops_router(health: Health) -> APIRouter:
    """The routes for whoever runs the service."""
    router = APIRouter(tags=["operations"])

    async def answer(*, live: bool) -> JSONResponse:
        troubles = await health.troubles(live=live)
        return JSONResponse(
            {"status": "trouble" if troubles else "ok", "troubles": troubles},
            status_code=503 if troubles else 200,
        )

    @router.get("/livez", summary="Is the process sound, or must it be restarted?")
    async def livez() -> JSONResponse:  # pyright: ignore[reportUnusedFunction] - the router has it
        return await answer(live=True)

    @router.get("/readyz", summary="Can the service do its work now?")
    async def readyz() -> JSONResponse:  # pyright: ignore[reportUnusedFunction] - the router has it
        return await answer(live=False)

    @router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction] - the router has it
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
