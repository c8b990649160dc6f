"""The engine in its process: images lie in buffers, outcomes come back, deaths cost an attempt."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Sequence

import numpy as np
import pytest

from ocrstream_sandbox.errors import ChildDiedError, ChildUnavailableError
from ocrstream_sandbox.shared_buffers import SharedBufferPool, write_bytes
from ocrstream_worker.engines.engine_client import EngineClient
from ocrstream_worker.engines.engine_server import recognize_each
from ocrstream_worker.engines.errors import EngineBrokenError
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    Recognition,
    RecognitionFailure,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
)


def image(width: int = 40, height: int = 30) -> RgbImage:
    return np.zeros((height, width, 3), dtype=np.uint8)


class Reader:
    """A noop engine and its buffers."""

    def __init__(self, buffers: SharedBufferPool, engine: EngineClient) -> None:
        self._buffers = buffers
        self.engine = engine

    async def read(self, pixels: RgbImage) -> tuple[int, int]:
        """The size that the engine says it saw."""
        with await self._buffers.acquire() as buffer:
            write_bytes(buffer.fd, pixels.tobytes())
            height, width = pixels.shape[:2]
            outcome = await self.engine.recognize(buffer, height, width, RecognitionOptions())
        assert isinstance(outcome, Recognition)
        provenance = outcome.provenance
        assert provenance.width
        assert provenance.height
        return provenance.width, provenance.height


@contextlib.asynccontextmanager
async def noop(image_s: float = 0.0, timeout_s: float = 60.0) -> AsyncGenerator[Reader]:
    settings = EngineSettings(
        engine="noop", noop_boxes=3, noop_image_s=image_s, image_timeout_s=timeout_s
    )
    with contextlib.closing(SharedBufferPool(4)) as buffers:
        async with EngineClient(settings, buffers) as engine:
            info = await engine.wait_ready()
            assert info.name == "noop"
            assert engine.ready
            yield Reader(buffers, engine)


async def test_each_outcome_is_that_of_its_image() -> None:
    async with noop() as reader:
        sizes = await asyncio.gather(*(reader.read(image(10 + n, 20 + n)) for n in range(20)))
        assert sizes == [(10 + n, 20 + n) for n in range(20)]


async def test_images_larger_than_any_before_fit() -> None:
    async with noop() as reader:
        for side in (10, 6_000, 10):  # 108 MB is more than a buffer keeps
            assert await reader.read(image(side, side)) == (side, side)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
async def test_a_death_costs_only_the_image_in_work(number: signal.Signals) -> None:
    async with noop(image_s=0.5) as reader:
        in_work, queued, behind = (
            asyncio.create_task(reader.read(image(width))) for width in (76, 77, 78)
        )
        await asyncio.sleep(0.1)
        pid = reader.engine.pid
        assert pid is not None
        os.kill(pid, number)
        with pytest.raises(ChildDiedError, match="the engine's process"):
            await in_work
        assert await queued == (77, 30)
        assert await behind == (78, 30)
        assert reader.engine.pid != pid


async def test_an_engine_that_is_not_installed_says_how_to_get_it() -> None:
    with contextlib.closing(SharedBufferPool(1)) as buffers:
        async with EngineClient(EngineSettings(engine="doctr"), buffers) as engine:
            with pytest.raises(ChildUnavailableError, match=r"ocrstream-worker\[doctr\]"):
                await engine.wait_ready()
            assert not engine.ready


class _Picky:
    """Fails on images 13 pixels wide."""

    info = EngineInfo(name="picky", versions={}, device="cpu")

    def __init__(self) -> None:
        self.error: Exception = ValueError("unlucky")

    def warm_up(self) -> None: ...

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        if any(one.shape[1] == 13 for one in images):
            raise self.error
        return [RecognitionFailure(error=f"{one.shape[1]}") for one in images]


def test_an_image_that_the_engine_fails_on_costs_its_neighbours_nothing() -> None:
    outcomes = recognize_each(
        _Picky(), [image(12), image(13), image(14)], [RecognitionOptions()] * 3
    )
    assert outcomes == [
        RecognitionFailure(error="12"),
        RecognitionFailure(error="ValueError: unlucky"),
        RecognitionFailure(error="14"),
    ]


@pytest.mark.parametrize("error", [EngineBrokenError("gone"), MemoryError()])
def test_a_broken_engine_is_no_fault_of_an_image(error: Exception) -> None:
    engine = _Picky()
    engine.error = error
    with pytest.raises(type(error)):
        recognize_each(engine, [image(13)], [RecognitionOptions()])
