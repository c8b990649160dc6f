"""Renders API errors as problem documents (RFC 9457)."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ocrstream_runtime.errors import ProblemError

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_MAX_ERRORS = 100
_ROUTING = {
    "Not Found": "this service has no such path; see /docs",
    "Method Not Allowed": "this path does not accept the method; see /docs",
}
_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why the service did not fulfil the request (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "instance"],
}


def install_problem_handlers(app: FastAPI) -> None:
    """Makes `app` return a problem document for every error, and describe it in OpenAPI."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)  # noqa: S101 - the handler is registered for this type
        return _response(
            request, error.status, error.title, error.detail, error.headers, **error.extra
        )

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - as above
        title = HTTPStatus(error.status_code).phrase
        headers = dict(error.headers) if error.headers else None
        detail = str(error.detail)
        if detail == title:  # Starlette's, which says neither what nor where
            detail = f"{request.method} {request.url.path}: {_ROUTING.get(title, title)}"
        return _response(request, error.status_code, title, detail, headers)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        problems = error.errors()
        errors = [
            {"pointer": _pointer(problem["loc"]), "detail": problem["msg"]}
            for problem in problems[:_MAX_ERRORS]
        ]
        first = errors[0] if errors else {"pointer": "", "detail": "is not valid"}
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return _response(
            request,
            422,
            "The request breaks its schema",
            f"{first['pointer']}: {first['detail']}{more}",
            errors=errors,
        )

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        logger.error("request failed", path=request.url.path, exc_info=error)
        return _response(
            request, 500, "Internal error", "The service failed; its log has the details."
        )

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_bug)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_problems(describe())

    app.openapi = openapi


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Describes the errors of an OpenAPI document as problems instead of FastAPI's own models."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _SCHEMA
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    content = response.get("content", {}).get(MEDIA_TYPE, {})
                    schema = {"$ref": "#/components/schemas/Problem"}
                    response["content"] = {MEDIA_TYPE: {**content, "schema": schema}}
    return document


def _response(
    request: Request,
    status: int,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        **extra,
    }
    return JSONResponse(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _pointer(location: tuple[int | str, ...]) -> str:
    # FastAPI's location begins with the value's source; a JSON pointer begins inside the body.
    source, *parts = location
    if source == "body":
        return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return " ".join(str(part) for part in location)
