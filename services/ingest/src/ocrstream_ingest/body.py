"""Request bodies: read in pieces, within limits of size and time."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from fastapi import Request

from ocrstream_runtime.patience import Patience
from ocrstream_runtime.problems import Problem

_LEAST_BYTES_PER_S = 1024


class BodyLimits(NamedTuple):
    """`idle_s`: how long a body may stand still. `max_bytes`: None for one that may go on.

    One with an end must also bring 1 KiB/s over all, or dripping would hold it open for ever.
    `setting` names what sets `max_bytes`.
    """

    idle_s: float
    max_bytes: int | None = None
    setting: str = ""


async def pieces(request: Request, limits: BodyLimits) -> AsyncGenerator[bytes]:
    """The body as it comes in.

    Raises Problem: 413 if it is too large, 408 if it is too slow, 400 if the client leaves.
    """
    _check_announced(request, limits)
    received, waited_s = 0, 0.0
    more = True
    while more:
        patience_s = limits.idle_s
        if limits.max_bytes is not None:
            allowed_s = limits.idle_s + received / _LEAST_BYTES_PER_S
            patience_s = min(patience_s, allowed_s - waited_s)
        try:
            async with Patience(patience_s) as patience:
                message = await request.receive()
        except TimeoutError as error:
            raise Problem(
                408,
                "The body stands still",
                f"{received:,} bytes came, then too little for {limits.idle_s:g} s"
                " (OCRSTREAM_BODY_TIMEOUT_S); send the request again",
                headers={"Connection": "close"},
            ) from error
        waited_s += patience.spent_s
        if message["type"] == "http.disconnect":
            raise Problem(400, "The client left", "The connection ended before the body did")
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(piece)
        if limits.max_bytes is not None and received > limits.max_bytes:
            raise _too_large(limits)
        if piece:
            yield piece


async def whole(request: Request, limits: BodyLimits) -> bytes:
    """The whole body; raises as `pieces`."""
    return b"".join([piece async for piece in pieces(request, limits)])


def media_type(request: Request) -> str:
    """The body's media type without parameters, in small letters; "" if none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def expect(request: Request, *allowed: str) -> str:
    """The body's media type; raises Problem (415) if it is none of those."""
    found = media_type(request)
    if found not in allowed:
        raise Problem(
            415,
            "Unsupported media type",
            f"The body is {found or 'of no named type'}; send {' or '.join(allowed)}",
        )
    return found


def _check_announced(request: Request, limits: BodyLimits) -> None:
    length = request.headers.get("content-length", "")
    if limits.max_bytes is not None and length.isdecimal() and int(length) > limits.max_bytes:
        raise _too_large(limits)


def _too_large(limits: BodyLimits) -> Problem:
    return Problem(
        413,
        "Request too large",
        f"The request is larger than {limits.max_bytes:,} bytes ({limits.setting});"
        " send less at once",
        headers={"Connection": "close"},
    )
