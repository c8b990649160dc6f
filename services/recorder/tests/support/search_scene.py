"""Images that were recorded, indexed and searched for, on a real database."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from psycopg import Connection
from read_api import read_api
from write_poll import write_poll

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_recorder.search import index
from ocrstream_recorder.search.index import ImageGrams
from ocrstream_schemas.events import (
    AnyEvent,
    ImageSubmitted,
    OcrSucceeded,
    Provenance,
    TextBox,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_ZONE = DatabaseZone("UTC")


def path(name: str) -> str:
    """The path of an image."""
    return f"file:///{name}.png"


def record(
    connection: Connection[Any],
    images: Mapping[str, Sequence[tuple[str, float]]],
    *,
    batch_id: str | None = None,
    later_s: int = 0,
    ordered: bool = True,
) -> None:
    """Record results by the images' names: texts and confidences of their boxes.

    `ordered`: in reading order, whatever their places say.
    """
    at = NOON + timedelta(seconds=later_s)
    events = [
        OcrSucceeded(
            task_id=f"task-{name}-{later_s}",
            chain_id=f"{name}-{later_s}",
            image_path=path(name),
            source_name=f"{name}.pdf",
            page=2,
            batch_id=batch_id,
            index=number if batch_id else None,
            submitted_at=at,
            started_at=at,
            finished_at=at,
            provenance=Provenance(engine="e", ordered=True) if ordered else None,
            boxes=tuple(
                TextBox(
                    text=text, confidence=confidence, bbox=((0, place), (9.5, 0), (9, 4), (0, 4))
                )
                for place, (text, confidence) in enumerate(boxes)
            ),
        )
        for number, (name, boxes) in enumerate(images.items())
    ]
    _write(connection, events)


def submit(connection: Connection[Any], name: str, batch_id: str) -> None:
    """Record the submission of an image whose result came before."""
    event = ImageSubmitted(
        image_path=path(name), chain_id=f"{name}-0", batch_id=batch_id, index=0, submitted_at=NOON
    )
    _write(connection, [event])


def _write(connection: Connection[Any], events: Sequence[AnyEvent]) -> None:
    changes = PollChanges(changes_of(event, _ZONE.to_local) for event in events)
    write_poll(connection, changes, _ZONE)


def index_all(connection: Connection[Any], at_once: int = 50) -> int:
    """Index until nothing waits; how many images were looked at."""
    total = 0
    while done := write(connection, read(connection, at_once)):
        total += done
    return total


def read(connection: Connection[Any], at_once: int = 50) -> list[ImageGrams]:
    """Read what is to be indexed, and make its grams."""
    with connection.cursor() as cursor:
        queued = index.read(cursor, at_once, 1_000_000)
    return [index.grams_of(image) for image in queued]


def write(connection: Connection[Any], found: list[ImageGrams]) -> int:
    """Write the keys of what was read; how many images of the queue that were."""
    with connection.transaction(), connection.cursor() as cursor:
        return index.write(cursor, found)


class Searcher:
    """Searches through the API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def answer(self, q: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one request."""
        answer = await self.client.get("/v1/search", params={"q": q, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hits(self, q: str, **parameters: Any) -> list[dict[str, Any]]:
        """All items, page by page."""
        items: list[dict[str, Any]] = []
        while True:
            page = await self.answer(q, **parameters)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            parameters["cursor"] = page["next_cursor"]

    async def paths(self, q: str, **parameters: Any) -> list[str]:
        """The paths of all items."""
        return [item["image_path"] for item in await self.hits(q, **parameters)]


@asynccontextmanager
async def searching(database_url: str) -> AsyncGenerator[Searcher]:
    """Someone who searches the database through the API."""
    async with read_api(database_url, _ZONE, timeout_s=30) as client:
        yield Searcher(client)


def plain(texts: Iterable[str]) -> list[tuple[str, float]]:
    """Boxes with these texts."""
    return [(text, 0.9) for text in texts]
