"""Ids in paths: one segment each, whatever characters they hold.

Servers decode a path before it is routed, so that an id's `%2F` would end its segment. Here `%2F`
and `%25` stay as they were sent until the segment is known: declare `{batch_id:segment}`.
"""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from ocrstream_recorder.api.parameters import storable

Key = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(storable)]
"""The id that a path's segment names."""


class PathSegments:
    """Routes by the path as it was sent."""

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
