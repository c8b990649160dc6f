"""How requests are read and answered, on every path alike."""

from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The client left before the body's end"},
    408: {"description": "The body stands still"},
    409: {"description": "The same request is under way"},
    413: {"description": "Too large"},
    415: {"description": "Not a media type that is read here"},
    422: {"description": "The request breaks its schema, or its Idempotency-Key was another's"},
    429: {"description": "Too many requests at once; try again in a moment"},
    503: {"description": "Nothing is lost; send it again after Retry-After seconds"},
    507: {"description": "The disk is full or fails"},
}
"""All as problem documents (RFC 9457)."""


def validated(adapter: TypeAdapter[Any], body: bytes) -> Any:
    """What the body says. Raises RequestValidationError."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise request_error(error) from error


def request_error(error: ValidationError, skip: int = 0) -> RequestValidationError:
    """The same about a request's body, without the first `skip` parts of where it is."""
    problems = error.errors(include_url=False, include_input=False)
    return RequestValidationError(
        [{**problem, "loc": ("body", *problem["loc"][skip:])} for problem in problems]
    )


def accepted(answer: str) -> Response:
    """202 with the answer, which is JSON."""
    return Response(answer, status_code=202, media_type="application/json")
