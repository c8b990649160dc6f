"""The page `/docs`: Swagger UI, with every file served by the service itself.

FastAPI's own page loads Swagger UI from a content delivery network, so it stays blank without one,
and it runs another host's code. The files here come with the package fastapi-offline.
"""

from html import escape
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_FILES = frozenset({"favicon.png", "swagger-ui.css", "swagger-ui-bundle.js"})
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<script src="docs/swagger-ui-bundle.js" defer></script>
<script src="docs/start.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""
# Without `validatorUrl: null` the page would send the document's address to Swagger's server.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_HEADERS = {
    # Swagger UI has its icons as data, and sets styles of its elements.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def install_api_docs(app: FastAPI) -> None:
    """Adds the page and its files to `app`, whose `openapi_url` is `/openapi.json`."""
    page = _PAGE.format(title=escape(app.title))

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def send_start(_request: Request) -> Response:
        return Response(_START, media_type="text/javascript", headers=_HEADERS)

    async def send_file(request: Request) -> Response:
        name: str = request.path_params["name"]
        if name not in _FILES:
            raise HTTPException(404)
        return FileResponse(_FOLDER / name, headers=_HEADERS)

    # Addresses in the page are relative, so that a proxy may serve it beneath a prefix.
    app.add_route("/docs", show_page, include_in_schema=False)
    app.add_route("/docs/start.js", send_start, include_in_schema=False)
    app.add_route("/docs/{name}", send_file, include_in_schema=False)
