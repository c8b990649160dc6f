"""Memory slots: what is laid in is there, and a slot is free only when all have let go."""

import asyncio
import contextlib
import os

import numpy as np
import pytest
from numpy.typing import NDArray

from ocrstream_worker.children.slots import Slots, SlotViews, read_pixels, write_bytes


async def test_pixels_replace_the_file_and_are_the_same() -> None:
    random, views = np.random.default_rng(1), SlotViews()
    with contextlib.closing(Slots(1)) as slots, await slots.take() as slot:
        for content in (b"", b"a file", bytes(100_000)):
            write_bytes(slot.fd, content)
            assert views.read(slot.fd, len(content)) == content
        for height, width in ((70, 9), (700, 90), (7, 9)):  # smaller, larger than what was there
            image: NDArray[np.uint8] = random.integers(0, 256, (height, width, 3), np.uint8)
            views.raster(slot.fd, height, width)[:] = image
            assert (read_pixels(slot.fd, height, width) == image).all()


async def test_a_view_outlasts_that_the_memory_is_given_back() -> None:
    views = SlotViews()
    with contextlib.closing(Slots(1)) as slots:
        with await slots.take() as slot:
            views.raster(slot.fd, 1000, 1000)[:] = 1
            write_bytes(slot.fd, bytes(65 * 1024 * 1024))
        assert os.fstat(slot.fd).st_size == 0
        with await slots.take() as slot:
            views.raster(slot.fd, 1000, 1000)[:] = 2
            assert (read_pixels(slot.fd, 1000, 1000) == 2).all()


def test_no_room_is_told_before_anything_is_written() -> None:
    full = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(MemoryError, match="no memory for 300 bytes"):
        SlotViews().raster(full, 10, 10)
    os.close(full)


async def test_a_slot_is_free_when_the_last_has_let_go() -> None:
    with contextlib.closing(Slots(1)) as slots:
        slot = await slots.take()
        slot.hold()
        waiting = asyncio.create_task(slots.take())
        slot.let_go()
        await asyncio.sleep(0)
        assert not waiting.done()
        slot.let_go()
        assert (await waiting).fd == slot.fd


async def test_an_unusually_large_image_leaves_no_memory_behind() -> None:
    with contextlib.closing(Slots(1)) as slots:
        for size, kept in ((65 * 1024 * 1024, False), (1000, True)):
            with await slots.take() as slot:
                write_bytes(slot.fd, bytes(size))
                assert os.fstat(slot.fd).st_size == size
            assert os.fstat(slot.fd).st_size == (size if kept else 0)
