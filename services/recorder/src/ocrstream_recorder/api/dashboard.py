"""The dashboard's files and settings.

The page answers every address that no other path answers, since it has deep links of its own.
"""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocrstream_recorder.api.etags import ETags
from ocrstream_recorder.api.http import with_example

BUILT = Path(__file__).parent.parent / "dashboard"
"""Where `make dashboard` writes it."""

_API, _ASSETS = "/v1/", "/assets/"
_PAGE_PATHS = {"/", "/index.html"}
_IMMUTABLE = "public, max-age=31536000, immutable"
_COMPRESSED_FROM_BYTES = 1024
_NOT_BUILT = """The dashboard is not built here.

    make dashboard

builds it, with Node; it is then served at this address, without a restart. The API works without
it: /docs shows its paths, all beneath /v1.
"""

router = APIRouter(tags=["dashboard"])


class DashboardSettings(BaseModel):
    """The settings of the dashboard."""

    model_config = with_example(ingest_url="http://127.0.0.1:8080")

    ingest_url: str
    """Where browsers reach ingest; if empty, the page cannot submit, cancel or retry."""


@router.get("/dashboard.json")
async def read_dashboard_settings(request: Request) -> DashboardSettings:
    """The settings that the dashboard reads before anything else."""
    return DashboardSettings(ingest_url=request.app.state.ingest_url)


def install_dashboard(app: FastAPI, ingest_url: str, folder: Path) -> None:
    """Makes `app` answer with the dashboard in `folder` where no path matches."""
    app.state.ingest_url = ingest_url
    app.include_router(router)
    app.router.default = _Headers(
        GZipMiddleware(_Dashboard(folder), minimum_size=_COMPRESSED_FROM_BYTES),
        _policy(ingest_url),
    )


class _Dashboard:
    """The files of the folder, and the page for any other address that a browser opens."""

    def __init__(self, folder: Path) -> None:
        self._page = folder / "index.html"
        # Not checked: `make dashboard` may build it while the recorder runs.
        self._files = StaticFiles(directory=folder, check_dir=False)
        # Tagged by content, since the files of two releases may have the same time.
        self._tagged_page = ETags(self._show_page, prefix="/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] != "http":
            await self._files(scope, receive, send)
        elif path.startswith(_API):
            raise HTTPException(404)
        elif path not in _PAGE_PATHS and (file := await self._file(scope)):
            await file(scope, receive, send)
        elif path in _PAGE_PATHS or (not path.startswith(_ASSETS) and _shows_pages(scope)):
            await self._tagged_page(scope, receive, send)
        else:
            raise HTTPException(404)

    async def _file(self, scope: Scope) -> Response | None:
        try:
            response = await self._files.get_response(self._files.get_path(scope), scope)
        except HTTPException as error:
            if error.status_code == 404:
                return None
            raise
        # The name of an asset holds a digest of its content.
        immutable = scope["path"].startswith(_ASSETS)
        response.headers["cache-control"] = _IMMUTABLE if immutable else "no-cache"
        return response

    async def _show_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        try:
            response = HTMLResponse(await run_in_threadpool(self._page.read_bytes))
        except FileNotFoundError:
            response = PlainTextResponse(_NOT_BUILT, 404)
        await response(scope, receive, send)


def _shows_pages(scope: Scope) -> bool:
    """Whether a browser asks for a page to show."""
    return "text/html" in Headers(scope=scope).get("accept", "")


class _Headers:
    """Adds the headers that restrict what browsers do with the dashboard's answers."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": policy,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _policy(ingest_url: str) -> str:
    """Allows the page its own code and styles, and requests to the recorder and ingest alone."""
    parts = urlsplit(ingest_url)
    ingest = f" {parts.scheme}://{parts.netloc}" if ingest_url else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            f"connect-src 'self'{ingest}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
