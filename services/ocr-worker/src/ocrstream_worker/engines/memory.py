"""Memory that the worker writes pixels into and the engine's process reads them from.

Anonymous memory without a name, inherited as a file descriptor: nothing is left behind however
either process ends, and the 64 MiB that containers give /dev/shm are no limit.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from ocrstream_worker.engines.port import RgbImage

# What a slot keeps between images. Beyond it, giving pages back is worth the cost of fresh ones.
_KEPT_BYTES = 64 * 1024 * 1024


def open_slot() -> int:
    """The file descriptor of an empty slot."""
    if sys.platform == "linux":
        return os.memfd_create("ocrstream-images", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write_images(slot: int, images: Sequence[RgbImage]) -> tuple[tuple[int, int], ...]:
    """Lays the images one after the other into the slot; returns their heights and widths.

    Raises MemoryError if the system has no room for them.
    """
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"not an RGB image: {image.dtype} of shape {image.shape}")
    offset = 0
    try:
        for image in images:
            offset = _write(slot, np.ascontiguousarray(image), offset)
    except OSError as error:
        raise MemoryError(f"no memory for {len(images)} decoded images: {error}") from error
    return tuple((image.shape[0], image.shape[1]) for image in images)


def read_images(slot: int, shapes: Sequence[tuple[int, int]]) -> list[RgbImage]:
    """The images in a slot, without a copy. Writing to one copies the pages touched."""
    sizes = [height * width * 3 for height, width in shapes]
    # Unmapped when the last of the arrays that look into it is gone.
    mapping = mmap.mmap(slot, sum(sizes), access=mmap.ACCESS_COPY)
    images: list[RgbImage] = []
    offset = 0
    for (height, width), size in zip(shapes, sizes, strict=True):
        flat = np.frombuffer(mapping, dtype=np.uint8, count=size, offset=offset)
        images.append(flat.reshape(height, width, 3))
        offset += size
    return images


def trim(slot: int) -> None:
    """Gives the memory of unusually large images back. Only while nobody reads the slot."""
    if os.fstat(slot).st_size > _KEPT_BYTES:
        os.ftruncate(slot, 0)


def _write(slot: int, image: RgbImage, offset: int) -> int:
    # One system call may write less than asked, and no more than 2 GiB.
    rest = image.data.cast("B")
    while rest:
        written = os.pwrite(slot, rest, offset)
        rest = rest[written:]
        offset += written
    return offset
