"""Memory that a parent shares with its children, for an image's file and its pixels.

The memory is anonymous and the children inherit its file descriptor. So nothing is left behind
however a process exits, and the 64 MiB of a container's /dev/shm are no limit.
"""

import asyncio
import mmap
import os
import sys
import tempfile
from types import TracebackType
from typing import Self

# Memory that a buffer keeps between uses. Freeing more is worth the cost of fresh pages.
_KEPT_BYTES = 64 * 1024 * 1024
# A child keeps mappings up to this size, an A4 page at 300 dpi; they count as its memory.
_MAPPED_BYTES = 32 * 1024 * 1024


class SharedBufferPool:
    """`count` buffers, each for one user at a time. Used within one event loop."""

    def __init__(self, count: int) -> None:
        self.fds = tuple(open_buffer() for _ in range(count))
        """The file descriptors, for the children to inherit."""
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for fd in self.fds:
            self._free.put_nowait(fd)

    async def acquire(self) -> "SharedBuffer":
        """Waits for a free buffer and returns it with one reference."""
        return SharedBuffer(await self._free.get(), self._free)

    def close(self) -> None:
        """Frees the memory. The children must have exited."""
        for fd in self.fds:
            os.close(fd)


class SharedBuffer:
    """A reference-counted buffer: free again when the last reference is released.

    A child may still read or write it after its user has left, so each job holds a reference.
    """

    def __init__(self, fd: int, free: asyncio.Queue[int]) -> None:
        self.fd = fd
        self._free = free
        self._references = 1

    def retain(self) -> None:
        """Adds a reference."""
        self._references += 1

    def release(self) -> None:
        """Drops a reference."""
        self._references -= 1
        if not self._references:
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
    """Opens a buffer and returns its file descriptor."""
    if sys.platform == "linux":
        return os.memfd_create("ocrstream", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def trim(fd: int) -> None:
    """Frees the buffer's memory if it is more than a buffer keeps between uses."""
    if os.fstat(fd).st_size > _KEPT_BYTES:
        os.ftruncate(fd, 0)


def write_bytes(fd: int, content: bytes | memoryview) -> None:
    """Writes the content into a buffer. Raises MemoryError if the system has no memory for it."""
    rest = memoryview(content)
    offset = 0
    try:
        # One system call may write less than requested, and at most 2 GiB.
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest = rest[written:]
            offset += written
    except OSError as error:
        raise MemoryError(f"no memory for {len(content):,} bytes: {error}") from error


class BufferMappings:
    """A child's memory mappings of the buffers.

    Mappings are kept: the first access to fresh memory costs about as much time as decoding an
    image.
    """

    def __init__(self) -> None:
        self._mapped: dict[int, mmap.mmap] = {}

    def read(self, fd: int, size: int) -> bytes:
        """Copies the buffer's first `size` bytes."""
        return self.view(fd, size)[:size] if size else b""

    def view(self, fd: int, size: int) -> mmap.mmap:
        """The buffer's memory, `size` bytes or more, with arbitrary content.

        Raises MemoryError if the system has no memory for it.
        """
        # The parent may have trimmed the buffer: an access beyond its end would crash the process.
        _allocate(fd, size)
        view = self._mapped.pop(fd, None)
        if view is None or len(view) < size:
            view = mmap.mmap(fd, size)
        if len(view) <= _MAPPED_BYTES:
            self._mapped[fd] = view
        return view


def _allocate(fd: int, size: int) -> None:
    if os.fstat(fd).st_size >= size:
        return
    try:
        if sys.platform == "linux":
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)
    except OSError as error:
        raise MemoryError(f"no memory for {size:,} bytes: {error}") from error
