"""Shared buffers: what is laid in is there, and one is free only when all have released it."""

import asyncio
import contextlib
import os

import pytest

from ocrstream_sandbox.shared_buffers import BufferMappings, SharedBufferPool, write_bytes


async def test_what_is_laid_in_is_there() -> None:
    mappings = BufferMappings()
    with contextlib.closing(SharedBufferPool(1)) as buffers, await buffers.acquire() as buffer:
        for content in (b"", b"a file", os.urandom(100_000), b"less"):
            write_bytes(buffer.fd, content)
            assert mappings.read(buffer.fd, len(content)) == content
            answer = content[::-1] * 3
            if answer:
                mappings.view(buffer.fd, len(answer))[: len(answer)] = answer
            assert os.pread(buffer.fd, len(answer), 0) == answer


async def test_a_mapping_outlasts_that_the_memory_is_given_back() -> None:
    mappings = BufferMappings()
    with contextlib.closing(SharedBufferPool(1)) as buffers:
        with await buffers.acquire() as buffer:
            mappings.view(buffer.fd, 1_000_000)[:4] = b"once"
            write_bytes(buffer.fd, bytes(65 * 1024 * 1024))
        assert os.fstat(buffer.fd).st_size == 0
        with await buffers.acquire() as buffer:
            mappings.view(buffer.fd, 1_000_000)[-5:] = b"again"
            assert os.pread(buffer.fd, 1_000_000, 0)[-5:] == b"again"


def test_no_room_is_told_before_anything_is_written() -> None:
    full = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(MemoryError, match="no memory for 300 bytes"):
        BufferMappings().view(full, 300)
    os.close(full)


async def test_a_buffer_is_free_when_the_last_has_released_it() -> None:
    with contextlib.closing(SharedBufferPool(1)) as buffers:
        buffer = await buffers.acquire()
        buffer.retain()
        waiting = asyncio.create_task(buffers.acquire())
        buffer.release()
        await asyncio.sleep(0)
        assert not waiting.done()
        buffer.release()
        assert (await waiting).fd == buffer.fd


async def test_what_is_unusually_large_leaves_no_memory_behind() -> None:
    with contextlib.closing(SharedBufferPool(1)) as buffers:
        for size, kept in ((65 * 1024 * 1024, False), (1000, True)):
            with await buffers.acquire() as buffer:
                write_bytes(buffer.fd, bytes(size))
                assert os.fstat(buffer.fd).st_size == size
            assert os.fstat(buffer.fd).st_size == (size if kept else 0)
