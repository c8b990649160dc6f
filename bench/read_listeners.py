"""Hundreds of listeners to events of batches, and how long an update takes to reach them all."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg

_OPEN_TIMEOUT_S = 60.0
_UPDATE_TIMEOUT_S = 30.0
_LONGEST_PAUSE_S = 1.5


@dataclass(frozen=True)
class Audience:
    """How many listen to the batches `old-0` to `old-…`, and how often these change."""

    api_url: str
    database_url: str
    listeners: int
    batches: int
    updates: int


@dataclass
class _Heard:
    """The last update that each listener has heard of, and who waits for the others."""

    updates: list[int]
    changed: asyncio.Event = field(default_factory=asyncio.Event)


def reach(audience: Audience) -> list[float]:
    """Seconds from each update's commit until the last of all listeners has heard of it."""
    return asyncio.run(_reach(audience))


async def _reach(audience: Audience) -> list[float]:
    heard = _Heard([-1] * audience.listeners)
    chance = random.Random(0)  # noqa: S311 - a load, no secret
    took: list[float] = []
    async with asyncio.TaskGroup() as group:
        listening = [
            group.create_task(_listen(audience, number, heard))
            for number in range(audience.listeners)
        ]
        await _until(heard, 0, _OPEN_TIMEOUT_S)
        connection = await psycopg.AsyncConnection.connect(audience.database_url, autocommit=True)
        async with connection:
            for update in range(1, audience.updates + 1):
                await asyncio.sleep(chance.uniform(0, _LONGEST_PAUSE_S))
                await connection.execute(
                    "UPDATE batch_executions SET batch_name = %s WHERE batch_id LIKE 'old-%%'",
                    (str(update),),
                )
                began = time.monotonic()
                await _until(heard, update, _UPDATE_TIMEOUT_S)
                took.append(time.monotonic() - began)
        for one in listening:
            one.cancel()
    return took


async def _listen(audience: Audience, number: int, heard: _Heard) -> None:
    address = urlsplit(audience.api_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        path = f"/v1/batches/old-{number % audience.batches}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise AssertionError(f"listener {number}: {status!r}")
        while line := await reader.readline():
            if line.startswith(b"data: "):
                name = json.loads(line[6:])["batch_name"]
                heard.updates[number] = int(name) if name else 0
                heard.changed.set()
        raise AssertionError(f"listener {number}: the stream ended")
    finally:
        writer.close()


async def _until(heard: _Heard, update: int, limit_s: float) -> None:
    async with asyncio.timeout(limit_s):
        while min(heard.updates) < update:
            heard.changed.clear()
            await heard.changed.wait()


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
