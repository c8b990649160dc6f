"""The engine's process: what comes through it, and what its death costs."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from ocrstream_worker.engines.child import recognize_each
from ocrstream_worker.engines.memory import open_slot, read_images, write_images
from ocrstream_worker.engines.port import (
    EngineBroken,
    EngineDied,
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Recognition,
    Refused,
    RgbImage,
)
from ocrstream_worker.engines.process import EngineProcess

DEADLINE_S = 20.0


def image(width: int = 40, height: int = 30) -> RgbImage:
    return np.zeros((height, width, 3), dtype=np.uint8)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def noop(image_s: float = 0.0, timeout_s: float = 60.0) -> AsyncGenerator[EngineProcess]:
    settings = EngineSettings(
        engine="noop", noop_boxes=3, noop_image_s=image_s, image_timeout_s=timeout_s
    )
    async with EngineProcess(settings) as engine:
        await engine.wait_ready()
        yield engine


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"ocrstream_worker_{name}_total") or 0.0


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_outcomes_come_back_in_order() -> None:
    busy_s, restarts = counted("engine_busy_seconds"), counted("engine_restarts")
    async with noop() as engine:
        assert engine.ready
        calls = [engine.recognize([image(10 + n), image(20 + n)]) for n in range(10)]
        for n, outcomes in enumerate(await asyncio.gather(*calls)):
            widths = [o.provenance.width for o in outcomes if isinstance(o, Recognition)]
            assert widths == [10 + n, 20 + n]
        assert await engine.recognize([]) == []
    assert counted("engine_busy_seconds") > busy_s
    assert counted("engine_restarts") == restarts


async def test_images_larger_than_any_before_fit() -> None:
    async with noop() as engine:
        for side in (10, 6_000, 10):  # 108 MB is more than a slot keeps
            (outcome,) = await engine.recognize([image(side, side)])
            assert isinstance(outcome, Recognition)
            assert outcome.provenance.width == side


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
async def test_a_death_costs_only_the_images_in_work(number: signal.Signals) -> None:
    restarts = counted("engine_restarts")
    async with noop(image_s=0.5) as engine:
        in_work = asyncio.create_task(engine.recognize([image()]))
        queued = asyncio.create_task(engine.recognize([image(77)]))
        waiting = asyncio.create_task(engine.recognize([image(78)]))
        await asyncio.sleep(0)
        pid = engine.pid
        assert pid is not None
        os.kill(pid, number)
        with pytest.raises(EngineDied, match=number.name):
            await in_work
        for task, width in ((queued, 77), (waiting, 78)):
            (outcome,) = await task
            assert isinstance(outcome, Recognition)
            assert outcome.provenance.width == width
        assert counted("engine_restarts") == restarts + 1


async def test_an_idle_death_costs_nothing() -> None:
    async with noop() as engine:
        pid = engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: engine.ready and engine.pid != pid)
        assert len(await engine.recognize([image()])) == 1


async def test_a_hang_is_ended() -> None:
    async with noop(timeout_s=0.3) as engine:
        pid = engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(EngineDied, match=r"no result within 0\.3 s"):
            await engine.recognize([image()])
        assert len(await engine.recognize([image()])) == 1
        assert not is_running(pid)


async def test_time_in_the_queue_does_not_count_as_a_hang() -> None:
    restarts = counted("engine_restarts")
    async with noop(image_s=0.6, timeout_s=1.0) as engine:
        await asyncio.gather(*(engine.recognize([image()]) for _ in range(3)))
        assert counted("engine_restarts") == restarts


async def test_a_cancelled_call_harms_no_other() -> None:
    async with noop(image_s=0.1) as engine:
        dropped = asyncio.create_task(engine.recognize([image()]))
        await asyncio.sleep(0)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        for _ in range(4):
            assert len(await engine.recognize([image()])) == 1


async def test_leaving_ends_the_process_and_fails_what_waits() -> None:
    async with noop(image_s=5) as engine:
        pid = engine.pid
        calls = [asyncio.create_task(engine.recognize([image()])) for _ in range(4)]
        await asyncio.sleep(0)
    assert pid is not None
    assert not is_running(pid)
    for call in calls:
        with pytest.raises(EngineDied):
            await call
    assert not engine.ready


async def test_leaving_before_it_is_ready() -> None:
    async with EngineProcess(EngineSettings(engine="noop")):
        await asyncio.sleep(0)


async def test_an_engine_that_cannot_start_says_so() -> None:
    async with EngineProcess(EngineSettings(engine="doctr")) as engine:
        with pytest.raises(EngineUnavailable, match="python-doctr"):
            await engine.wait_ready()
        with pytest.raises(EngineUnavailable, match="python-doctr"):
            await engine.recognize([image()])
        assert not engine.ready


async def test_ctrl_c_to_the_group_leaves_the_engine_working() -> None:
    async with noop(image_s=0.2) as engine:
        call = asyncio.create_task(engine.recognize([image()]))
        await asyncio.sleep(0)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGINT)
        os.kill(engine.pid, signal.SIGTERM)
        assert len(await call) == 1


async def test_what_is_no_rgb_image_is_refused_here() -> None:
    async with noop() as engine:
        for wrong in (np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
            with pytest.raises(ValueError, match="not an RGB image"):
                await engine.recognize([wrong])
        assert len(await engine.recognize([image()])) == 1


ORPHAN = """
import asyncio, numpy, sys
from ocrstream_worker.engines.port import EngineSettings
from ocrstream_worker.engines.process import EngineProcess

async def main():
    async with EngineProcess(EngineSettings(engine="noop", noop_image_s=60)) as engine:
        await engine.wait_ready()
        call = asyncio.create_task(engine.recognize([numpy.zeros((4, 4, 3), numpy.uint8)]))
        await asyncio.sleep(0.05)
        print(engine.pid, flush=True)
        await call

asyncio.run(main())
"""


def test_the_engine_dies_with_its_worker() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert is_running(pid)
        worker.kill()
    deadline = time.monotonic() + DEADLINE_S
    while is_running(pid):
        assert time.monotonic() < deadline, "the engine outlived its worker"
        time.sleep(0.01)


def test_pixels_are_the_same_on_the_other_side() -> None:
    slot = open_slot()
    try:
        random = np.random.default_rng(1)
        images = [random.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((3, 5), (70, 9))]
        images.append(images[1][::2, ::-1])  # not contiguous
        read = read_images(slot, write_images(slot, images))
        for given, got in zip(images, read, strict=True):
            assert (given == got).all()
    finally:
        os.close(slot)


class _Picky:
    """Fails on images 13 pixels wide."""

    info = EngineInfo(name="picky", versions={}, device="cpu")

    def __init__(self) -> None:
        self.error: Exception = ValueError("unlucky")

    def warm_up(self) -> None: ...

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions]
    ) -> list[Outcome]:
        if any(one.shape[1] == 13 for one in images):
            raise self.error
        return [Refused(error=f"{one.shape[1]}") for one in images]


def test_an_image_that_the_engine_fails_on_costs_its_neighbours_nothing() -> None:
    outcomes = recognize_each(_Picky(), [image(12), image(13), image(14)], [ReadOptions()] * 3)
    assert outcomes == [
        Refused(error="12"),
        Refused(error="ValueError: unlucky"),
        Refused(error="14"),
    ]


@pytest.mark.parametrize("error", [EngineBroken("gone"), MemoryError()])
def test_a_broken_engine_is_no_fault_of_an_image(error: Exception) -> None:
    engine = _Picky()
    engine.error = error
    with pytest.raises(type(error)):
        recognize_each(engine, [image(13)], [ReadOptions()])
