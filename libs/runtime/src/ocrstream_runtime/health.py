"""The endpoints /livez, /readyz and /metrics, which every service has."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[None]]

_CHECK_TIMEOUT_S = 3.0


class Health:
    """The checks behind a service's liveness and readiness.

    A failed liveness check needs a restart; a failed readiness check may recover by itself.
    """

    def __init__(self) -> None:
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}

    def add_check(self, name: str, check: Check, *, live: bool = False) -> None:
        """Adds a check of readiness, or with `live` of liveness; a check raises if it fails."""
        (self._live if live else self._ready)[name] = check

    async def run_checks(self, *, live: bool = False) -> dict[str, str | None]:
        """Runs the checks; returns why each fails by its name, None for one that succeeds."""
        # A copy, because a starting service adds checks while others run.
        checks = dict(self._live if live else self._ready)
        results = await asyncio.gather(*(_run_check(check) for check in checks.values()))
        return dict(zip(checks, results, strict=True))


async def _run_check(check: Check) -> str | None:
    """Returns why the check fails; None if it succeeds."""
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"the check took longer than {_CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - a check reports any failure
        return f"{type(error).__name__}: {error}"
    return None


def create_ops_router(service: str, health: Health) -> APIRouter:
    """Returns the routes for the operators of `service`, which states its name in its health."""
    router = APIRouter(tags=["operations"])

    async def respond(*, live: bool) -> JSONResponse:
        results = await health.run_checks(live=live)
        failures = {name: failure for name, failure in results.items() if failure}
        return JSONResponse(
            {
                "service": service,
                "status": "trouble" if failures else "ok",
                "checks": list(results),
                "troubles": failures,
            },
            status_code=503 if failures else 200,
        )

    @router.get("/livez", summary="Reports whether the process works or needs a restart")
    async def livez() -> JSONResponse:  # pyright: ignore[reportUnusedFunction] - the router calls it
        return await respond(live=True)

    @router.get("/readyz", summary="Reports whether the service can do its work now")
    async def readyz() -> JSONResponse:  # pyright: ignore[reportUnusedFunction] - the router calls it
        return await respond(live=False)

    @router.get(
        "/metrics", summary="Returns metrics in Prometheus' text format", response_class=Response
    )
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction] - the router calls it
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
