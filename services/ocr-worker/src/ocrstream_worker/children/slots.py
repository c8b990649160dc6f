"""Memory that an image lies in on its way: first its file, then its pixels.

Anonymous memory without a name, inherited by the children as a file descriptor: nothing is left
behind however a process ends, and the 64 MiB that containers give /dev/shm are no limit.
"""

import asyncio
import mmap
import os
import sys
import tempfile
from types import TracebackType
from typing import Self

import numpy as np

from ocrstream_worker.engines.port import RgbImage

# What a slot keeps between images. Beyond it, giving pages back is worth the cost of fresh ones.
_KEPT_BYTES = 64 * 1024 * 1024
# Of which slots a child keeps its view: an A4 page at 300 dpi. It counts as memory that it holds.
_MAPPED_BYTES = 32 * 1024 * 1024


class Slots:
    """So many slots, each for one image at a time. Used within one event loop."""

    def __init__(self, count: int) -> None:
        self.fds = tuple(_open() for _ in range(count))
        """For the children to inherit."""
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for fd in self.fds:
            self._free.put_nowait(fd)

    async def take(self) -> "Slot":
        """A slot that nobody uses, held once; waits for one."""
        return Slot(await self._free.get(), self._free)

    def close(self) -> None:
        """Give the memory back. The children must be gone."""
        for fd in self.fds:
            os.close(fd)


class Slot:
    """One image's memory. It is free again when everybody who holds it has let go.

    A child may still read or write it after the image was given up, so each of its jobs holds it.
    """

    def __init__(self, fd: int, free: asyncio.Queue[int]) -> None:
        self.fd = fd
        self._free = free
        self._holders = 1

    def hold(self) -> None:
        """One more holder."""
        self._holders += 1

    def let_go(self) -> None:
        """One holder less."""
        self._holders -= 1
        if not self._holders:
            if os.fstat(self.fd).st_size > _KEPT_BYTES:
                os.ftruncate(self.fd, 0)
            self._free.put_nowait(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go()


def write_bytes(fd: int, content: bytes | memoryview) -> None:
    """Lays bytes into a slot. Raises MemoryError if the system has no room for them."""
    rest = memoryview(content)
    offset = 0
    try:
        # One system call may write less than asked, and no more than 2 GiB.
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest = rest[written:]
            offset += written
    except OSError as error:
        raise MemoryError(f"no memory for {len(content):,} bytes: {error}") from error


def read_pixels(fd: int, height: int, width: int) -> RgbImage:
    """The image in a slot, without a copy. Writing to it copies the pages touched."""
    # Unmapped when the array that looks into it is gone.
    mapping = mmap.mmap(fd, height * width * 3, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapping, dtype=np.uint8).reshape(height, width, 3)


class SlotViews:
    """A child's own view of the slots, to read files from and lay pixels into.

    What is mapped stays mapped: to touch memory for the first time costs the system about as much
    as to decode what is laid into it.
    """

    def __init__(self) -> None:
        self._mapped: dict[int, mmap.mmap] = {}

    def read(self, fd: int, size: int) -> bytes:
        """The first `size` bytes of a slot, copied."""
        return self._view(fd, size)[:size] if size else b""

    def raster(self, fd: int, height: int, width: int) -> RgbImage:
        """The slot's memory as an image to be filled; it holds anything.

        Raises MemoryError if the system has no room for it.
        """
        size = height * width * 3
        view = np.frombuffer(self._view(fd, size), dtype=np.uint8, count=size)
        return view.reshape(height, width, 3)

    def _view(self, fd: int, size: int) -> mmap.mmap:
        # The worker may have given the memory back since; what is mapped beyond the end is a crash.
        _make_room(fd, size)
        view = self._mapped.pop(fd, None)
        if view is None or len(view) < size:
            view = mmap.mmap(fd, size)
        if len(view) <= _MAPPED_BYTES:
            self._mapped[fd] = view
        return view


def _make_room(fd: int, size: int) -> None:
    if os.fstat(fd).st_size >= size:
        return
    try:
        if sys.platform == "linux":
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)
    except OSError as error:
        raise MemoryError(f"no memory for {size:,} bytes: {error}") from error


def _open() -> int:
    if sys.platform == "linux":
        return os.memfd_create("ocrstream-image", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
