"""Parsing of request bodies and the responses that all routes share."""

from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The client disconnected before the end of the body"},
    408: {"description": "The body arrives too slowly"},
    409: {"description": "Another request with this Idempotency-Key is in progress"},
    413: {"description": "The request, a file or an event is too large"},
    415: {"description": "The media type is not supported"},
    422: {"description": "The request is not valid, or its Idempotency-Key belongs to another"},
    429: {"description": "Too many concurrent requests; try again in a moment"},
    503: {"description": "Nothing is lost; send the request again after Retry-After seconds"},
    507: {"description": "The disk is full or fails"},
}
"""Error responses; the body of each is a problem document (RFC 9457)."""


def parse_body(adapter: TypeAdapter[Any], body: bytes) -> Any:
    """Parses and validates a JSON body. Raises RequestValidationError."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise body_error(error) from error


def body_error(error: ValidationError, skip: int = 0) -> RequestValidationError:
    """Returns the error with locations in the body; drops the first `skip` parts of each."""
    problems = error.errors(include_url=False, include_input=False)
    return RequestValidationError(
        [{**problem, "loc": ("body", *problem["loc"][skip:])} for problem in problems]
    )


def accepted_response(content: str) -> Response:
    """Returns a 202 response with this JSON."""
    return Response(content, status_code=202, media_type="application/json")
