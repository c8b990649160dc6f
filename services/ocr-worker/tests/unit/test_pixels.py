"""Pixels in shared buffers: they replace the file that lay there, and are the same."""

import contextlib

import numpy as np
from numpy.typing import NDArray

from ocrstream_sandbox.shared_buffers import BufferMappings, SharedBufferPool, write_bytes
from ocrstream_worker.engines.pixels import read_pixels, writable_raster


async def test_pixels_replace_the_file_and_are_the_same() -> None:
    random, mappings = np.random.default_rng(1), BufferMappings()
    with contextlib.closing(SharedBufferPool(1)) as buffers, await buffers.acquire() as buffer:
        write_bytes(buffer.fd, b"a file")
        assert mappings.read(buffer.fd, 6) == b"a file"
        for height, width in ((70, 9), (700, 90), (7, 9)):  # smaller, larger than what was there
            image: NDArray[np.uint8] = random.integers(0, 256, (height, width, 3), np.uint8)
            writable_raster(mappings, buffer.fd, height, width)[:] = image
            assert (read_pixels(buffer.fd, height, width) == image).all()
