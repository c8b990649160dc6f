"""Reads request bodies in chunks, within limits of size and time."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from fastapi import Request

from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout

_MIN_BYTES_PER_S = 1024


class BodyLimits(NamedTuple):
    """Limits of a request body.

    The client may pause for `idle_timeout_s`. `max_bytes` is None for a stream of any length. A
    body with a limit must also arrive at 1 KiB/s on average, so that a slow client cannot keep a
    request open for ever. `max_bytes_setting` names the setting that holds `max_bytes`.
    """

    idle_timeout_s: float
    max_bytes: int | None = None
    max_bytes_setting: str = ""


async def read_chunks(request: Request, limits: BodyLimits) -> AsyncGenerator[bytes]:
    """Yields the body's chunks as they arrive.

    Raises ProblemError: 413 if the body is too large, 408 if it is too slow, 400 if the client
    disconnects.
    """
    _check_content_length(request, limits)
    received, waited_s = 0, 0.0
    more = True
    while more:
        timeout_s = limits.idle_timeout_s
        if limits.max_bytes is not None:
            allowed_s = limits.idle_timeout_s + received / _MIN_BYTES_PER_S
            timeout_s = min(timeout_s, allowed_s - waited_s)
        try:
            async with StarvationAwareTimeout(timeout_s) as timeout:
                message = await request.receive()
        except TimeoutError as error:
            raise ProblemError(
                408,
                "The body arrives too slowly",
                f"Ingest received {received:,} bytes and then waited"
                f" {limits.idle_timeout_s:g} s (OCRSTREAM_BODY_TIMEOUT_S) for more;"
                " send the request again",
                headers={"Connection": "close"},
            ) from error
        waited_s += timeout.spent_s
        if message["type"] == "http.disconnect":
            raise ProblemError(
                400, "The client disconnected", "The connection closed before the end of the body"
            )
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if limits.max_bytes is not None and received > limits.max_bytes:
            raise _too_large(limits)
        if chunk:
            yield chunk


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """Returns the whole body. Raises what `read_chunks` raises."""
    return b"".join([chunk async for chunk in read_chunks(request, limits)])


def media_type(request: Request) -> str:
    """Returns the body's media type in lower case without parameters; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_media_type(request: Request, *allowed: str) -> str:
    """Returns the body's media type. Raises ProblemError (415) if it is not one of `allowed`."""
    found = media_type(request)
    if found not in allowed:
        raise ProblemError(
            415,
            "Unsupported media type",
            f"The body has {f'the type {found}' if found else 'no type'};"
            f" send {' or '.join(allowed)}",
        )
    return found


def _check_content_length(request: Request, limits: BodyLimits) -> None:
    length = request.headers.get("content-length", "")
    if limits.max_bytes is not None and length.isdecimal() and int(length) > limits.max_bytes:
        raise _too_large(limits)


def _too_large(limits: BodyLimits) -> ProblemError:
    return ProblemError(
        413,
        "Request too large",
        f"The request is larger than {limits.max_bytes:,} bytes ({limits.max_bytes_setting});"
        " send fewer images per request",
        headers={"Connection": "close"},
    )
