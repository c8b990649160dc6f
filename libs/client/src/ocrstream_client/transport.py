"""Plans, and the two ways to carry one out: with threads, and with asyncio.

A plan is a generator that yields what it wants from the outside (a request, a pause, other plans at
once) and is sent what came of it. So what to ask, and what to make of the answers, is written once.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ocrstream_client.errors import Refused, Unreachable

ResultT = TypeVar("ResultT")

AT_ONCE = 8
"""How many plans are carried out at the same time."""


@dataclass(frozen=True)
class Ask:
    """A request; the plan is sent the answer's JSON, or Unreachable or Refused is raised in it."""

    method: str
    url: str
    parameters: dict[str, Any] | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Upload:
    """A POST of files as multipart form; otherwise like Ask."""

    url: str
    form: dict[str, str]
    files: Sequence[Path]
    headers: dict[str, str]


@dataclass(frozen=True)
class Download:
    """A GET whose answer goes to `on_piece` as it comes; the plan is sent how many bytes it was.

    Otherwise like Ask; an answer that breaks off raises Unreachable.
    """

    url: str
    parameters: dict[str, Any]
    on_piece: Callable[[bytes], object]


@dataclass(frozen=True)
class Pause:
    """Time to pass, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Together:
    """Plans to be carried out at the same time; the plan is sent the list of their results."""

    plans: Sequence["Plan[Any]"]


Wish = Ask | Upload | Download | Pause | Together
Plan = Generator[Wish, Any, ResultT]


def carry_out(http: httpx.Client, plan: Plan[ResultT]) -> ResultT:
    """The plan's result, or what it raises."""

    def fulfil(wish: Wish) -> Any:
        if isinstance(wish, Pause):
            return time.sleep(wish.seconds)
        if isinstance(wish, Together):
            with ThreadPoolExecutor(AT_ONCE) as threads:
                return list(threads.map(partial(carry_out, http), wish.plans))
        if isinstance(wish, Download):
            with http.stream("GET", wish.url, params=wish.parameters) as response:
                if response.is_error:
                    response.read()
                    return _content(response)
                for piece in response.iter_bytes():
                    wish.on_piece(piece)
                return response.num_bytes_downloaded
        with ExitStack() as opened:
            return _content(http.send(_request(http, wish, opened)))

    try:
        wish = next(plan)
        while True:
            try:
                came = fulfil(wish)
            except _FAILURES as error:
                wish = plan.throw(_told(error))
            else:
                wish = plan.send(came)
    except StopIteration as done:
        return done.value


async def carry_out_async(http: httpx.AsyncClient, plan: Plan[ResultT]) -> ResultT:
    """The plan's result, or what it raises."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: Plan[Any]) -> Any:
        async with turns:
            return await carry_out_async(http, one)

    async def fulfil(wish: Wish) -> Any:
        if isinstance(wish, Pause):
            return await asyncio.sleep(wish.seconds)
        if isinstance(wish, Together):
            return await asyncio.gather(*map(in_turn, wish.plans))
        if isinstance(wish, Download):
            async with http.stream("GET", wish.url, params=wish.parameters) as response:
                if response.is_error:
                    await response.aread()
                    return _content(response)
                async for piece in response.aiter_bytes():
                    wish.on_piece(piece)
                return response.num_bytes_downloaded
        with ExitStack() as opened:
            return _content(await http.send(_request(http, wish, opened)))

    try:
        wish = next(plan)
        while True:
            try:
                came = await fulfil(wish)
            except _FAILURES as error:
                wish = plan.throw(_told(error))
            else:
                wish = plan.send(came)
    except StopIteration as done:
        return done.value


def timeouts(timeout_s: float) -> httpx.Timeout:
    """For connecting a short time, for everything else `timeout_s`."""
    return httpx.Timeout(timeout_s, connect=min(5.0, timeout_s))


_FAILURES = (httpx.TransportError, httpx.InvalidURL, Refused)


def _request(
    http: httpx.Client | httpx.AsyncClient, wish: Ask | Upload, opened: ExitStack
) -> httpx.Request:
    if isinstance(wish, Ask):
        return http.build_request(
            wish.method, wish.url, params=wish.parameters, json=wish.body, headers=wish.headers
        )
    parts = [("files", (str(file), opened.enter_context(file.open("rb")))) for file in wish.files]
    return http.build_request("POST", wish.url, data=wish.form, files=parts, headers=wish.headers)


def _content(response: httpx.Response) -> Any:
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.is_error or document is None:
        raise Refused(
            _problem(response, document),
            response.status_code,
            document=document,
            retry_after_s=_retry_after_s(response),
        )
    return document


def _told(error: Exception) -> Exception:
    """The error in the words of this library."""
    if isinstance(error, httpx.TransportError):
        url = error.request.url
        broken = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        what = "broke off its answer, or gave none" if broken else "does not answer"
        told = Unreachable(
            f"{url.scheme}://{url.netloc.decode()} {what} ({type(error).__name__})."
            " Is the stack up? See: ocrstream doctor"
        )
    elif isinstance(error, httpx.InvalidURL):
        told = Unreachable(f"INGEST_URL or RECORDER_URL is no URL: {error}")
    else:
        return error
    told.__cause__ = error
    return told


def _problem(response: httpx.Response, document: Any) -> str:
    try:
        return f"{document['title']}: {document['detail']}"
    except (KeyError, TypeError):
        what = "" if response.is_error else ", which is not JSON: is it Ocrstream's address?"
        return f"{response.url} answered {response.status_code} {response.reason_phrase}{what}"


def _retry_after_s(response: httpx.Response) -> float | None:
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else None
