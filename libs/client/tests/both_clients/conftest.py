"""One contract for both clients, threads' and asyncio's, against a scripted server."""

import asyncio
import time
from typing import Any

import pytest

from ocrstream_client import (
    AsyncClient,
    Client,
)


@pytest.fixture(autouse=True)
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long he would have."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(asyncio, "sleep", pause)
    return pauses


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "asyncio"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param
