"""Pools of children that do what their jobs say, and what was told of them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import odd_child

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.observer import PoolObserver
from ocrstream_sandbox.pool import ChildPool

DEADLINE_S = 30.0
HERE = Path(odd_child.__file__).parent


class Counts(PoolObserver):
    """What an observer is told, counted."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.busy_s = 0.0
        self.replacements = 0
        self.recyclings = 0
        self.is_held = False
        self.kills = 0

    def batch_started(self, jobs: int) -> None:
        self.batches.append(jobs)

    def batch_finished(self, busy_s: float) -> None:
        self.busy_s += busy_s

    def replaced(self) -> None:
        self.replacements += 1

    def recycled(self) -> None:
        self.recyclings += 1

    def breaker_changed(self, is_open: bool) -> None:
        self.is_held = is_open

    def starvation_changed(self, kills: int) -> None:
        self.kills = kills


def odd_spec(settings: bytes = b"", **more: Any) -> ChildSpec:
    """An odd child."""
    path = {"PYTHONPATH": str(HERE)}
    return ChildSpec(name="child", module="odd_child", settings=settings, environment=path, **more)


@contextlib.asynccontextmanager
async def odd(
    settings: bytes = b"", *, processes: int = 1, counts: Counts | None = None, **spec: Any
) -> AsyncGenerator[ChildPool]:
    """A pool of odd children; they are ready if they have no settings that keep them from it."""
    made = odd_spec(settings, **spec)
    async with ChildPool(made, processes=processes, observer=counts) as pool:
        if settings == b"":
            await until(lambda: len(pool.pids) == processes)
        yield pool


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something to come true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def begun(pool: ChildPool, job: bytes) -> "asyncio.Task[bytes]":
    """A call that a child works on."""
    told = asyncio.Event()
    call = asyncio.create_task(pool.call(job, on_started=told.set))
    await told.wait()
    return call
