"""Pixels in shared buffers."""

import mmap

import numpy as np

from ocrstream_sandbox.shared_buffers import BufferMappings
from ocrstream_worker.engines.port import RgbImage


def read_pixels(fd: int, height: int, width: int) -> RgbImage:
    """The image in a buffer, without a copy. A write copies the pages it touches."""
    # Unmapped when the array is garbage-collected.
    mapping = mmap.mmap(fd, height * width * 3, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapping, dtype=np.uint8).reshape(height, width, 3)


def writable_raster(mappings: BufferMappings, fd: int, height: int, width: int) -> RgbImage:
    """The buffer's memory as an image with arbitrary content.

    Raises MemoryError if the system has no memory for it.
    """
    size = height * width * 3
    view = np.frombuffer(mappings.view(fd, size), dtype=np.uint8, count=size)
    return view.reshape(height, width, 3)
