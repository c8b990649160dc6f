"""ETag and If-None-Match (RFC 9110): the API does not send an unchanged answer again."""

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """Tags each 200 to a GET below `prefix` that has a known length and no tag yet.

    The tag is a digest of the answer, so it differs whenever the answer does.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"].startswith(self._prefix)
        )
        if not wanted:
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def tag(message: Message) -> None:
            nonlocal start
            if _is_whole_answer(message):
                start = message
                return
            if start is not None:
                body = message.get("body", b"")
                if not message.get("more_body", False):
                    message = _tagged(start, message, body, known)
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, tag)


def _is_whole_answer(message: Message) -> bool:
    """Whether the message starts a 200 of known length without a tag.

    The headers of a stream must not wait for its body.
    """
    headers = Headers(raw=message.get("headers", ()))
    return (
        message["type"] == "http.response.start"
        and message["status"] == 200
        and "content-length" in headers
        and "etag" not in headers
    )


def _tagged(start: Message, message: Message, body: bytes, known: str) -> Message:
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = MutableHeaders(raw=start["headers"])
    headers["etag"] = etag
    # A client that keeps an answer has to ask each time whether it still holds.
    headers.setdefault("cache-control", "no-cache")
    if not matches(etag, known):
        return message
    start["status"] = 304
    for name in ("content-length", "content-type"):
        del headers[name]
    return {**message, "body": b""}


def matches(etag: str, known: str) -> bool:
    """Whether If-None-Match names the tag; a proxy that changes the encoding makes a tag weak."""
    tags = (tag.strip().removeprefix("W/") for tag in known.split(","))
    return known.strip() == "*" or etag in tags
