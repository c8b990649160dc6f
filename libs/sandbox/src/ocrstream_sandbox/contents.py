"""Jobs and results whose content, bytes of any length, lies in a shared buffer."""

import os
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from ocrstream_sandbox.shared_buffers import write_bytes

_MAX_BYTES = 256 * 1024 * 1024


class ContentJob(msgspec.Struct, frozen=True):
    """A job whose content is the buffer's first `size` bytes."""

    job: bytes
    buffer_fd: int
    size: int


class ContentResult(msgspec.Struct, frozen=True):
    """A result whose content is the buffer's first `size` bytes."""

    result: bytes
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_BYTES)]


class ContentHandler:
    """Calls `do(job, content)` in the child; `do` returns the result and its content."""

    info = b""

    def __init__(self, do: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> None:
        self._do = do

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        return [self._handle(msgspec.msgpack.decode(job, type=ContentJob)) for job in jobs]

    def _handle(self, job: ContentJob) -> bytes:
        result, content = self._do(job.job, os.pread(job.buffer_fd, job.size, 0))
        write_bytes(job.buffer_fd, content)
        return msgspec.msgpack.encode(ContentResult(result, len(content)))
