"""Plans, and the two ways to run one: with threads, and with asyncio.

A plan is a generator that yields effects (a request, a pause, several plans at once) and receives
their results. So both clients share the code that builds requests and evaluates responses.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, TypeVar

import httpx

from ocrstream_client.errors import RefusedError, UnreachableError, UnreadableFileError
from ocrstream_client.file_search import LocalFile

ResultT = TypeVar("ResultT")

MAX_CONCURRENT = 8
"""How many plans of a Gather run at the same time."""


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request; the plan receives the JSON of its response.

    UnreachableError or RefusedError is raised in the plan if the request fails.
    """

    method: str
    url: str
    parameters: dict[str, Any] | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Upload:
    """A POST of files as a multipart form; otherwise like HttpRequest.

    UnreadableFileError is raised in the plan if a file cannot be opened.
    """

    url: str
    form: dict[str, str]
    files: Sequence[LocalFile]
    headers: dict[str, str]


@dataclass(frozen=True)
class Download:
    """A GET that passes the chunks of its response to `on_chunk`. The plan receives their size.

    Otherwise like HttpRequest; a response that breaks off raises UnreachableError.
    """

    url: str
    parameters: dict[str, Any]
    on_chunk: Callable[[bytes], object]


@dataclass(frozen=True)
class Pause:
    """A pause, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Gather:
    """Plans to run at the same time. The plan receives the list of their results."""

    plans: Sequence["Plan[Any]"]


Effect = HttpRequest | Upload | Download | Pause | Gather
Plan = Generator[Effect, Any, ResultT]


def run_plan(http: httpx.Client, plan: Plan[ResultT]) -> ResultT:
    """Runs a plan; returns its result, or raises what it raises."""

    def perform(effect: Effect) -> Any:
        if isinstance(effect, Pause):
            return time.sleep(effect.seconds)
        if isinstance(effect, Gather):
            with ThreadPoolExecutor(MAX_CONCURRENT) as threads:
                return list(threads.map(partial(run_plan, http), effect.plans))
        if isinstance(effect, Download):
            with http.stream("GET", effect.url, params=effect.parameters) as response:
                if response.is_error:
                    response.read()
                    return _content(response)
                for chunk in response.iter_bytes():
                    effect.on_chunk(chunk)
                return response.num_bytes_downloaded
        with ExitStack() as opened:
            return _content(http.send(_request(http, effect, opened)))

    try:
        effect = next(plan)
        while True:
            try:
                result = perform(effect)
            except _FAILURES as error:
                effect = plan.throw(_translate(error))
            else:
                effect = plan.send(result)
    except StopIteration as done:
        return done.value


async def run_plan_async(http: httpx.AsyncClient, plan: Plan[ResultT]) -> ResultT:
    """Runs a plan; returns its result, or raises what it raises."""
    slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def run_in_slot(one: Plan[Any]) -> Any:
        async with slots:
            return await run_plan_async(http, one)

    async def perform(effect: Effect) -> Any:
        if isinstance(effect, Pause):
            return await asyncio.sleep(effect.seconds)
        if isinstance(effect, Gather):
            return await asyncio.gather(*map(run_in_slot, effect.plans))
        if isinstance(effect, Download):
            async with http.stream("GET", effect.url, params=effect.parameters) as response:
                if response.is_error:
                    await response.aread()
                    return _content(response)
                async for chunk in response.aiter_bytes():
                    effect.on_chunk(chunk)
                return response.num_bytes_downloaded
        with ExitStack() as opened:
            return _content(await http.send(_request(http, effect, opened)))

    try:
        effect = next(plan)
        while True:
            try:
                result = await perform(effect)
            except _FAILURES as error:
                effect = plan.throw(_translate(error))
            else:
                effect = plan.send(result)
    except StopIteration as done:
        return done.value


def timeouts(timeout_s: float) -> httpx.Timeout:
    """Returns timeouts: up to 5 s to connect, `timeout_s` for everything else."""
    return httpx.Timeout(timeout_s, connect=min(5.0, timeout_s))


_FAILURES = (httpx.TransportError, httpx.InvalidURL, RefusedError, UnreadableFileError)


def _request(
    http: httpx.Client | httpx.AsyncClient, effect: HttpRequest | Upload, opened: ExitStack
) -> httpx.Request:
    if isinstance(effect, HttpRequest):
        return http.build_request(
            effect.method,
            effect.url,
            params=effect.parameters,
            json=effect.body,
            headers=effect.headers,
        )
    parts = [("files", (file.source_name, _open(file.path, opened))) for file in effect.files]
    return http.build_request(
        "POST", effect.url, data=effect.form, files=parts, headers=effect.headers
    )


def _open(file: Path, opened: ExitStack) -> BinaryIO:
    try:
        # A pipe would keep the client waiting for ever.
        if not S_ISREG(file.stat().st_mode):
            raise OSError("it is not a regular file")
        return opened.enter_context(file.open("rb"))
    except OSError as error:
        raise UnreadableFileError(file, error) from error


def _content(response: httpx.Response) -> Any:
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.is_error or document is None:
        raise RefusedError(
            _problem(response, document),
            response.status_code,
            document=document,
            retry_after_s=_retry_after_s(response),
        )
    return document


def _translate(error: Exception) -> Exception:
    """Translates an error of httpx into one of this library."""
    if isinstance(error, httpx.TransportError):
        url = error.request.url
        broken = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        what = "broke off its answer, or gave none" if broken else "does not answer"
        translated = UnreachableError(
            f"{url.scheme}://{url.netloc.decode()} {what} ({type(error).__name__})."
            " Is the stack up? See: ocrstream doctor"
        )
    elif isinstance(error, httpx.InvalidURL):
        translated = UnreachableError(f"INGEST_URL or RECORDER_URL is not a URL: {error}")
    else:
        return error
    translated.__cause__ = error
    return translated


def _problem(response: httpx.Response, document: Any) -> str:
    try:
        title, detail = document["title"], document["detail"]
    except (KeyError, TypeError):
        title = detail = None
    if title != detail:
        return f"{title}: {detail}"
    what = "" if response.is_error else ", which is not JSON"
    question = ": is it Ocrstream's address?" if response.status_code in {200, 404, 405} else ""
    url = response.url.copy_with(query=None)
    return f"{url} answered {response.status_code} {response.reason_phrase}{what}{question}"


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None
