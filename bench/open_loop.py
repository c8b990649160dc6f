"""Load at a constant rate, whatever the answers take: a request that is late to begin counts from
when it was due, so a stall is paid by all whom it keeps waiting.

The statements that the API sends for the same requests are run straight in the database, in
between. These and the requests that are compared with them are timed from when they were sent: how
late this process was is in neither. Runs in a process of its own.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
import psycopg
from plain_http import PlainHttp, RequestFailed
from psycopg import AsyncConnection
from read_load import ASKED_ANEW, Request, requests

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase, options_of
from ocrstream_recorder.api.direct_reads import DirectReads
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.search import queries
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings

_SQL_EVERY = 10
_STATEMENTS_OF = 40
_TIMEOUT_S = 30.0

Statements = list[tuple[bytes, Any]]


@dataclass(frozen=True)
class Load:
    """What to ask for, whom, how often and how long."""

    kind: str
    api_url: str
    database_url: str
    images: int
    seed: int
    per_s: float
    warm_up_s: float
    for_s: float


@dataclass
class Latencies:
    """In milliseconds; requests that failed are told in `failures`."""

    http_ms: list[float] = field(default_factory=list[float])
    """From when a request was due."""
    served_ms: list[float] = field(default_factory=list[float])
    """From when it was sent."""
    sql_ms: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


def drive(load: Load) -> Latencies:
    """Put the load on; returns what each request took, those of the warm-up left out."""
    return asyncio.run(_drive(load))


async def _drive(load: Load) -> Latencies:
    asked = requests(load.kind, load.images, load.seed)
    statements = await _statements(load, list(islice(asked, _STATEMENTS_OF)))
    connection = await _connect(load)
    found = Latencies()
    sql_turn = asyncio.Lock()
    http = PlainHttp(load.api_url)
    async with connection, asyncio.TaskGroup() as group:
        began = time.monotonic()
        for number in range(int((load.warm_up_s + load.for_s) * load.per_s)):
            due = began + number / load.per_s
            await asyncio.sleep(due - time.monotonic())
            into = found if due - began >= load.warm_up_s else Latencies()
            group.create_task(_ask(http, next(asked), due, into))
            if number % _SQL_EVERY == 0:
                chosen = statements[number // _SQL_EVERY % len(statements)]
                group.create_task(_run(connection, sql_turn, chosen, into))
    http.close()
    return found


async def _connect(load: Load) -> AsyncConnection[Any]:
    """With the settings that the API asks with."""
    options = options_of(queries.SETTINGS if load.kind == "search" else {})
    return await psycopg.AsyncConnection.connect(load.database_url, options=options)


async def _ask(http: PlainHttp, request: Request, due: float, into: Latencies) -> None:
    sent = time.monotonic()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await http.get(request.path, request.parameters)
    except (RequestFailed, TimeoutError) as error:
        into.failures.append(f"{type(error).__name__}: {error}")
    else:
        ended = time.monotonic()
        into.http_ms.append(1000 * (ended - due))
        into.served_ms.append(1000 * (ended - sent))


async def _run(
    connection: AsyncConnection[Any], turn: asyncio.Lock, statements: Statements, into: Latencies
) -> None:
    async with turn:
        began = time.monotonic()
        for statement, parameters in statements:
            cursor = await connection.execute(statement, parameters)
            await cursor.fetchall()
        await connection.rollback()
        into.sql_ms.append(1000 * (time.monotonic() - began))


async def _statements(load: Load, asked: Sequence[Request]) -> list[Statements]:
    """The very statements that the API sends for each request, taken from it once."""
    database = ReadDatabase(load.database_url, connections=1, timeout_s=30)
    sent: Statements = []
    for reads in (database.quick, database.searches):
        _keep(reads, sent)
    api = create_api(database, DatabaseZone("UTC"), Health(), DeadLetterRecords(ServiceSettings()))
    found: list[Statements] = []
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as http:
        for number, request in enumerate(asked):
            sent.clear()
            parameters = {**(request.parameters or {}), ASKED_ANEW: str(number)}
            (await http.get(request.path, params=parameters)).raise_for_status()
            found.append(sent.copy())
    await database.close()
    if not all(found):
        raise AssertionError(f"the API asked the database nothing for a {load.kind}")
    return found


def _keep(reads: DirectReads, sent: Statements) -> None:
    """Have what is asked of `reads` kept in `sent`."""
    rows = reads.rows

    async def keep(
        statement: bytes, parameters: dict[str, Any], *, plan_by_value: bool = False
    ) -> Sequence[Any]:
        sent.append((statement, parameters))
        return await rows(statement, parameters, plan_by_value=plan_by_value)

    reads.rows = keep
