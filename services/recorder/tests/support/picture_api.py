"""The read API over no database, which pictures need none of."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings


@asynccontextmanager
async def picture_api(source: ImageSource) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the API, which shows what the source reads."""
    database = ReadDatabase("postgresql://nobody@127.0.0.1:1/none", connections=1, timeout_s=1)
    letter_box = DeadLetterRecords(ServiceSettings())
    app = create_api(database, DatabaseZone("UTC"), Health(), letter_box, image_source=source)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://recorder"
    ) as client:
        yield client


async def show(api: httpx.AsyncClient, path: str, **more: Any) -> httpx.Response:
    """The picture of a path, or why there is none."""
    return await api.get("/v1/pictures", params={"image_path": path, **more})
