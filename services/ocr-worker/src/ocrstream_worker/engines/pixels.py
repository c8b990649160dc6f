"""Pixels in the shared buffers that images lie in on their way."""

import mmap

import numpy as np

from ocrstream_sandbox.shared_buffers import BufferMappings
from ocrstream_worker.engines.port import RgbImage


def read_pixels(fd: int, height: int, width: int) -> RgbImage:
    """The image in a buffer, without a copy. Writing to it copies the pages touched."""
    # Unmapped when the array that looks into it is gone.
    mapping = mmap.mmap(fd, height * width * 3, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapping, dtype=np.uint8).reshape(height, width, 3)


def writable_raster(mappings: BufferMappings, fd: int, height: int, width: int) -> RgbImage:
    """A buffer's memory as an image to be filled; it holds anything.

    Raises MemoryError if the system has no room for it.
    """
    size = height * width * 3
    view = np.frombuffer(mappings.view(fd, size), dtype=np.uint8, count=size)
    return view.reshape(height, width, 3)
