"""A child pool for callers in threads; the pool's event loop runs on a thread of its own.

pool = BlockingChildPool(spec, processes=2)
result, content = pool.call(b"job", b"the job's content")
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
from ocrstream_sandbox.contents import ContentJob, ContentResult
from ocrstream_sandbox.errors import ChildDiedError
from ocrstream_sandbox.pool import ChildPool
from ocrstream_sandbox.shared_buffers import open_buffer, trim, write_bytes


class BlockingChildPool:
    """`processes` children that serve a `ContentHandler`, one job at a time each.

    The first job starts them. They exit when this object is garbage-collected or the process exits.
    """

    def __init__(self, spec: ChildSpec, *, processes: int = 1) -> None:
        self._spec = dataclasses.replace(spec, depth=1)
        self._processes = processes
        self._start_lock = threading.Lock()
        self._thread: _PoolThread | None = None

    def call(self, job: bytes, content: bytes) -> tuple[bytes, bytes]:
        """Runs a job and returns its result and the result's content. Blocks.

        Callable from any thread without an event loop. Raises ChildDiedError, ChildStarvedError and
        ChildUnavailableError as `ChildPool.call` does, and MemoryError if the system has no memory
        for the content.
        """
        return self._pool_thread().call(job, content)

    def _pool_thread(self) -> "_PoolThread":
        with self._start_lock:
            if self._thread is None:
                self._thread = _PoolThread(self._spec, self._processes)
                weakref.finalize(self, self._thread.stop)
            return self._thread


class _PoolThread:
    """The thread that runs the pool's event loop, and the buffers that its children inherit."""

    def __init__(self, spec: ChildSpec, processes: int) -> None:
        self._name = spec.name
        self._buffers: LifoQueue[int] = LifoQueue()
        for _ in range(processes):
            self._buffers.put(open_buffer())
        spec = dataclasses.replace(spec, fds=tuple(self._buffers.queue))
        started: Future[tuple[ChildPool, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def run() -> None:
            stop = asyncio.Event()
            async with ChildPool(spec, processes=processes) as pool:
                started.set_result((pool, asyncio.get_running_loop(), stop))
                await stop.wait()
            for fd in spec.fds:
                os.close(fd)

        def run_thread() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        # Linux kills a child when the thread that started it exits, so this thread starts them.
        threading.Thread(target=run_thread, name=spec.name, daemon=True).start()
        self._pool, self._loop, self._stop = started.result()

    def stop(self) -> None:
        """Asks the children to exit; does not wait for them."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)

    def call(self, job: bytes, content: bytes) -> tuple[bytes, bytes]:
        fd = self._buffers.get()
        try:
            write_bytes(fd, content)
            request = msgspec.msgpack.encode(ContentJob(job, fd, len(content)))
            response = asyncio.run_coroutine_threadsafe(
                self._pool.call(request), self._loop
            ).result()
            reply = msgspec.msgpack.decode(response, type=ContentResult)
            return reply.result, os.pread(fd, reply.size, 0)
        except msgspec.DecodeError as error:
            raise ChildDiedError(
                f"the {self._name}'s process sent an invalid result: {error}"
            ) from error
        finally:
            trim(fd)
            self._buffers.put(fd)
