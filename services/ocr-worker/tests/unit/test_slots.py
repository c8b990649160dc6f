"""Memory slots: what is laid in is there, and a slot is free only when all have let go."""

import asyncio
import contextlib
import os

import numpy as np
import pytest
from numpy.typing import NDArray

from ocrstream_worker.children.slots import (
    Slots,
    read_bytes,
    read_pixels,
    write_bytes,
    write_pixels,
)


async def test_pixels_replace_the_file_and_are_the_same() -> None:
    random = np.random.default_rng(1)
    with contextlib.closing(Slots(1)) as slots, await slots.take() as slot:
        for content in (b"", b"a file", bytes(100_000)):
            write_bytes(slot.fd, content)
            assert read_bytes(slot.fd, len(content)) == content
        whole: NDArray[np.uint8] = random.integers(0, 256, (70, 9, 3), np.uint8)
        for image in (whole, whole[::2, ::-1]):  # the second is not contiguous
            write_pixels(slot.fd, image)
            assert (read_pixels(slot.fd, *image.shape[:2]) == image).all()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
async def test_what_is_no_rgb_image_is_refused(wrong: NDArray[np.uint8]) -> None:
    refused = pytest.raises(ValueError, match="not an RGB image")
    with contextlib.closing(Slots(1)) as slots, await slots.take() as slot, refused:
        write_pixels(slot.fd, wrong)


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
