"""Jobs and answers that come with bytes of any length, in a shared buffer."""

import os
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from ocrstream_sandbox.shared_buffers import write_bytes

_MOST_BYTES = 256 * 1024 * 1024


class ContentJob(msgspec.Struct, frozen=True):
    """The buffer's first `size` bytes come with the job, and the answer's are to replace them."""

    job: bytes
    buffer_fd: int
    size: int


class ContentAnswer(msgspec.Struct, frozen=True):
    """The buffer's first `size` bytes come with the answer."""

    answer: bytes
    size: Annotated[int, msgspec.Meta(ge=0, le=_MOST_BYTES)]


class ContentHandler:
    """The child's side: `do` makes of a job, and what comes with it, an answer and what does."""

    info = b""

    def __init__(self, do: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> None:
        self._do = do

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        return [self._handle(msgspec.msgpack.decode(job, type=ContentJob)) for job in jobs]

    def _handle(self, job: ContentJob) -> bytes:
        answer, content = self._do(job.job, os.pread(job.buffer_fd, job.size, 0))
        write_bytes(job.buffer_fd, content)
        return msgspec.msgpack.encode(ContentAnswer(answer, len(content)))
