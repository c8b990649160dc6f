"""A pool for threads; its children are looked after on a thread of its own.

pool = BlockingChildPool(spec, processes=2)
answer, content = pool.call(b"job", b"what the job is about")
"""

import asyncio
import contextlib
import dataclasses
import os
import threading
import weakref
from concurrent.futures import Future
from queue import LifoQueue

import msgspec

from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.contents import ContentAnswer, ContentJob
from ocrstream_sandbox.errors import ChildDiedError
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.shared_buffers import open_buffer, trim, write_bytes


class BlockingChildPool:
    """`processes` children that serve a `ContentHandler`, for a job at a time each.

    They are started for the first job, and end when this is gone, or the process.
    """

    def __init__(self, spec: ChildSpec, *, processes: int = 1) -> None:
        self._spec = dataclasses.replace(spec, depth=1)
        self._processes = processes
        self._starting = threading.Lock()
        self._started: _PoolThread | None = None

    def call(self, job: bytes, content: bytes) -> tuple[bytes, bytes]:
        """The answer to a job, and what comes with each. Blocks, for any thread without a loop.

        Raises ChildDiedError, ChildStarvedError and ChildUnavailableError as `ChildPool.call`
        does, and MemoryError if the system has no room for the content.
        """
        return self._pool_thread().call(job, content)

    def _pool_thread(self) -> "_PoolThread":
        with self._starting:
            if self._started is None:
                self._started = _PoolThread(self._spec, self._processes)
                weakref.finalize(self, self._started.stop)
            return self._started


class _PoolThread:
    """A pool's event loop, and the buffers that its children have."""

    def __init__(self, spec: ChildSpec, processes: int) -> None:
        self._name = spec.name
        self._buffers: LifoQueue[int] = LifoQueue()
        for _ in range(processes):
            self._buffers.put(open_buffer())
        spec = dataclasses.replace(spec, fds=tuple(self._buffers.queue))
        started: Future[tuple[ChildPool, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def run() -> None:
            over = asyncio.Event()
            async with ChildPool(spec, processes=processes) as pool:
                started.set_result((pool, asyncio.get_running_loop(), over))
                await over.wait()
            for fd in spec.fds:
                os.close(fd)

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        # The system ends a child with the thread that started it: it is to be this one.
        threading.Thread(target=work, name=spec.name, daemon=True).start()
        self._pool, self._loop, self._over = started.result()

    def stop(self) -> None:
        """The children are to end; does not wait for it."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._over.set)

    def call(self, job: bytes, content: bytes) -> tuple[bytes, bytes]:
        fd = self._buffers.get()
        try:
            write_bytes(fd, content)
            asked = msgspec.msgpack.encode(ContentJob(job, fd, len(content)))
            said = asyncio.run_coroutine_threadsafe(self._pool.call(asked), self._loop).result()
            answer = msgspec.msgpack.decode(said, type=ContentAnswer)
            return answer.answer, os.pread(fd, answer.size, 0)
        except msgspec.DecodeError as error:
            raise ChildDiedError(f"the {self._name}'s process answered {error}") from error
        finally:
            trim(fd)
            self._buffers.put(fd)
