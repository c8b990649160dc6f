"""HTTP conventions that paths share: parameters, ids in paths, problem documents, file names."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, unquote

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.problems import MEDIA_TYPE

AnswerT = TypeVar("AnswerT")

# ---- parameters ----------------------------------------------------------------------------------

_FIRST_YEAR, _LAST_YEAR = 1970, 9998
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def storable(text: str) -> str:
    """The text; raises ValueError if the database cannot store it."""
    if "\0" in text:
        raise ValueError("must not hold NUL")
    return text


def _written_out(moment: str) -> str:
    # Pydantic reads a bare number as seconds since 1970.
    if not _DATE.match(moment):
        raise ValueError("must be a date and a time with its zone, like 2026-05-01T12:00:00Z")
    return moment


def _convertible(moment: datetime) -> datetime:
    # A conversion to any time zone stays within the range of datetime.
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"must be of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


Text = Annotated[str | None, Query(max_length=255), AfterValidator(storable)]
ImagePath = Annotated[str, Query(min_length=1, max_length=255), AfterValidator(storable)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_convertible)]

# ---- ids in paths --------------------------------------------------------------------------------

Key = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(storable)]
"""An id in a path declared as `{batch_id:segment}`: one segment, whatever characters it holds."""


class PathSegments:
    """Routes by the path as the client sent it.

    A server decodes a path before it routes it, so that the `%2F` of an id would end the segment.
    This middleware keeps `%2F` and `%25` encoded until the segment is known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent: bytes | None = scope.get("raw_path")
        if sent is not None:
            kept = sent.decode("latin-1").replace("%25", "%2525")
            scope["path"] = unquote(kept.replace("%2F", "%252F").replace("%2f", "%252F"))
        await self._app(scope, receive, send)


class _Segment(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        return value.replace("%", "%25").replace("/", "%2F")


register_url_convertor("segment", _Segment())

# ---- problem documents ---------------------------------------------------------------------------

Responses = dict[int | str, dict[str, Any]]
"""What a path may answer, by status, for the OpenAPI document."""


def _problem(description: str, status: int, title: str, detail: str) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "/v1/batches/b-1",
    }
    return {"description": description, "content": {MEDIA_TYPE: {"example": example}}}


NOT_FOUND_DESCRIPTION = "It does not exist, or the recorder has not recorded it yet"
NOT_FOUND: Responses = {
    404: _problem(NOT_FOUND_DESCRIPTION, 404, "No such batch", "Batch 'b-1' does not exist")
}
_UNAVAILABLE = "The database is unavailable; try again in a moment"
REFUSALS: Responses = {
    422: _problem(
        "The request breaks its schema",
        422,
        "The request breaks its schema",
        "query limit: Input should be less than or equal to 1000",
    ),
    503: _problem(
        "The database is unavailable, or the query took too long",
        503,
        "Database unavailable",
        _UNAVAILABLE,
    ),
}
"""What every path may answer beside its result."""
RESPONSES: Responses = {
    304: {"description": "The answer is still that of the `ETag` in `If-None-Match`"},
    400: _problem(
        "This API did not issue the cursor",
        400,
        "Invalid cursor",
        "cursor: this API did not issue it; repeat the request without it",
    ),
    **REFUSALS,
}
"""The same, for paths that answer pages."""


def found(answer: AnswerT | None, kind: str, key: str) -> AnswerT:
    """The answer; raises ProblemError (404) if it is None."""
    if answer is None:
        raise not_found(kind, key)
    return answer


def not_found(kind: str, key: str) -> ProblemError:
    """The 404 for a batch, chain or image that does not exist."""
    return ProblemError(404, f"No such {kind}", f"{kind.capitalize()} {key!r} does not exist")


def query_timed_out(detail: str) -> ProblemError:
    """The 503 for a query that reached the statement timeout; `detail` says what to ask instead."""
    return ProblemError(503, "Query timed out", detail)


def database_unavailable() -> ProblemError:
    """The 503 for a database that cannot be reached; the client may retry soon."""
    return ProblemError(503, "Database unavailable", _UNAVAILABLE, headers={"Retry-After": "2"})


# ---- answers -------------------------------------------------------------------------------------


def with_example(**fields: Any) -> ConfigDict:
    """A model's configuration with an example for the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


def content_disposition(kind: Literal["inline", "attachment"], filename: str) -> str:
    """The header that names the file for whoever saves it (RFC 6266).

    Programs that do not know `filename*` read the name in ASCII.
    """
    plain = filename.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
