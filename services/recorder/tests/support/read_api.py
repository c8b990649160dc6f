"""The read API over a database, and asking it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase, write_engine
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings


@asynccontextmanager
async def read_api(
    url: str, zone: DatabaseZone, *, timeout_s: float = 5.0
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the API, which reads the database and writes what it may."""
    database, marking = ReadDatabase(url, connections=2, timeout_s=timeout_s), write_engine(url)
    app = create_api(
        database, zone, Health(), DeadLetterRecords(ServiceSettings()), writing_engine=marking
    )
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://recorder"
        ) as client:
            yield client
    finally:
        await database.close()
        await marking.dispose()


async def get(api: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    """What it answers, which must be a 200."""
    answer = await api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()
