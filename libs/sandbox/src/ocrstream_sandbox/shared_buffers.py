"""Memory that what is large lies in, for a parent and its children: an image's file, its pixels.

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

# What a buffer keeps between uses. Beyond it, giving pages back is worth the cost of fresh ones.
_KEPT_BYTES = 64 * 1024 * 1024
# Of which buffers a child keeps its mapping: an A4 page's pixels at 300 dpi. It counts as memory
# that the child holds.
_MAPPED_BYTES = 32 * 1024 * 1024


class SharedBufferPool:
    """So many buffers, each for one user at a time. Used within one event loop."""

    def __init__(self, count: int) -> None:
        self.fds = tuple(open_buffer() for _ in range(count))
        """For the children to inherit."""
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for fd in self.fds:
            self._free.put_nowait(fd)

    async def acquire(self) -> "SharedBuffer":
        """A buffer that nobody uses, held once; waits for one."""
        return SharedBuffer(await self._free.get(), self._free)

    def close(self) -> None:
        """Give the memory back. The children must be gone."""
        for fd in self.fds:
            os.close(fd)


class SharedBuffer:
    """It is free again when everybody who holds it has released it.

    A child may still read or write it after its user gave it up, so each of its jobs holds it.
    """

    def __init__(self, fd: int, free: asyncio.Queue[int]) -> None:
        self.fd = fd
        self._free = free
        self._holders = 1

    def retain(self) -> None:
        """One more holder."""
        self._holders += 1

    def release(self) -> None:
        """One holder less."""
        self._holders -= 1
        if not self._holders:
            trim(self.fd)
            self._free.put_nowait(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def open_buffer() -> int:
    """A buffer's descriptor."""
    if sys.platform == "linux":
        return os.memfd_create("ocrstream", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def trim(fd: int) -> None:
    """Give the memory back if it is more than a buffer keeps between uses."""
    if os.fstat(fd).st_size > _KEPT_BYTES:
        os.ftruncate(fd, 0)


def write_bytes(fd: int, content: bytes | memoryview) -> None:
    """Lays bytes into a buffer. Raises MemoryError if the system has no room for them."""
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


class BufferMappings:
    """A child's own view of the buffers, to read from and to lay something into.

    What is mapped stays mapped: to touch memory for the first time costs the system about as much
    as to decode an image that is laid into it.
    """

    def __init__(self) -> None:
        self._mapped: dict[int, mmap.mmap] = {}

    def read(self, fd: int, size: int) -> bytes:
        """The first `size` bytes of a buffer, copied."""
        return self.view(fd, size)[:size] if size else b""

    def view(self, fd: int, size: int) -> mmap.mmap:
        """The buffer's memory, `size` bytes or more, to be filled; it holds anything.

        Raises MemoryError if the system has no room for it.
        """
        # Its owner may have given the memory back since; what is mapped beyond the end is a crash.
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
