"""Server-Sent Events as a listener reads them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx


class Event(NamedTuple):
    """One block of a stream: an event, or a comment alone (`name` is then empty)."""

    name: str
    event_id: str
    data: dict[str, Any]
    raw: bytes

    @property
    def done(self) -> int:
        """Images that are done, as it tells."""
        return self.data["completed_images"] + self.data["failed_images"]


class Stream:
    """A stream that is open."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()
        self._rest = b""

    async def block(self) -> bytes:
        """The next block, comments and retries too; raises StopAsyncIteration at the end."""
        while b"\n\n" not in self._rest:
            self._rest += await anext(self._chunks)
        block, _, self._rest = self._rest.partition(b"\n\n")
        return block

    async def event(self) -> Event:
        """The next event that has data."""
        while True:
            raw = await self.block()
            fields = dict(line.split(": ", 1) for line in raw.decode().split("\n"))
            if "data" in fields:
                return Event(fields["event"], fields["id"], json.loads(fields["data"]), raw)

    async def until(self, done: int) -> Event:
        """The first event that tells of so many images."""
        while True:
            event = await self.event()
            if event.done >= done:
                return event


@asynccontextmanager
async def listening(
    http: httpx.AsyncClient, url: str, last_event_id: str | None = None
) -> AsyncGenerator[Stream]:
    """A stream, opened; fails unless there is one."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with http.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            raise AssertionError((await response.aread()).decode())
        yield Stream(response)
