"""Clients whose server answers by a script."""

import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

import httpx

from ocrstream_client import (
    Addresses,
)

ADDRESSES = Addresses("http://ingest", "http://recorder")
BATCH: dict[str, Any] = {
    "batch_id": "b",
    "batch_name": None,
    "status": "RUNNING",
    "progress": 50.0,
    "total_known": True,
    "total_images": 2,
    "completed_images": 1,
    "failed_images": 0,
    "revoked_images": 0,
    "started_at": "2026-05-01T12:00:00Z",
    "finished_at": None,
    "a_newer_field": 1,
}
ENDED = {**BATCH, "status": "SUCCESS", "completed_images": 2}
ACCEPTED = httpx.Response(
    202, json={"batch_id": "b", "accepted_images": 7, "images": [{} for _ in range(50)]}
)

Answer = Callable[[httpx.Request], httpx.Response]


async def settle(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def collect(items: Iterable[Any] | AsyncIterable[Any]) -> list[Any]:
    if isinstance(items, AsyncIterable):
        return [item async for item in items]
    return list(items)


def client(kind: Any, answer: Answer) -> Any:
    return kind(ADDRESSES, transport=httpx.MockTransport(answer))


def scripted(kind: Any, *answers: Any) -> tuple[Any, list[httpx.Request]]:
    """Answers one after the other, the last for ever; an exception is raised."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        # A response can be sent once only.
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    return client(kind, answer), asked


def row(index: int, **told: Any) -> dict[str, Any]:
    return {
        "image_path": f"file:///{index}.png",
        "public_path": None,
        "chain_id": f"c{index}",
        "index": index,
        "run": 1,
        "status": "SUCCESS",
        "reason": None,
        "error": None,
        "source_name": f"{index}.png",
        "page": None,
        **told,
    }


def recorder(*rows: dict[str, Any], status: dict[str, Any] = ENDED) -> Answer:
    """A batch of these images, told two at a time; each that was read says two lines."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/images":
            name = request.url.params["image_path"]
            corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
            box = {"confidence": 0.5, "bbox": corners}
            boxes = [{**box, "text": name}, {**box, "text": "and more"}]
            return httpx.Response(
                200, json={"text_boxes": boxes, "provenance": {"engine": f"of {name}"}}
            )
        if path.endswith("/images"):
            start = int(request.url.params.get("cursor", "0"))
            more = str(start + 2) if start + 2 < len(rows) else None
            page = {"items": rows[start : start + 2], "next_cursor": more}
            return httpx.Response(200, json=page)
        return httpx.Response(200, json=status)

    return answer
