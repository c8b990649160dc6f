"""The child's side of the connection."""

import asyncio
import os
import select
import socket
import sys

import msgspec
import odd_child
import pytest

from ocrstream_sandbox.child_process import read_from_child
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.wire import (
    HEADER_BYTES,
    ChildFailed,
    ChildReady,
    Initialize,
    JobsStarted,
    RunJob,
    body_length,
    encode_frame,
)

DEADLINE_S = 30.0


def test_nobody_waits_for_a_message_without_end() -> None:
    assert body_length(b"\x00\x00\x01\x00") == 256
    with pytest.raises(msgspec.DecodeError, match="4,294,967,295 bytes"):
        body_length(b"\xff" * HEADER_BYTES)


async def test_last_words_are_heard_though_jobs_are_sent_after_them() -> None:
    ours, childs = socket.socketpair()
    numbers = (str(number) for number in (childs.fileno(), os.getpid()))
    with childs:
        child = await asyncio.create_subprocess_exec(
            sys.executable, odd_child.__file__, *numbers, pass_fds=[childs.fileno()]
        )
    ours.sendall(
        encode_frame(Initialize(b"", 1, ChildLimits()))
        + encode_frame(RunJob(1, b"raise", isolated=False))
    )
    said_all = select.poll()
    said_all.register(ours, select.POLLRDHUP)
    assert said_all.poll(DEADLINE_S * 1000)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    writer.write(encode_frame(RunJob(2, b"", isolated=False)))
    await writer.drain()
    assert isinstance(await read_from_child(reader), ChildReady)
    assert await read_from_child(reader) == JobsStarted((1,))
    assert await read_from_child(reader) == ChildFailed("ValueError: unlucky", permanent=False)
    assert await read_from_child(reader) is None
    writer.close()
    await writer.wait_closed()
    assert await child.wait() == 0
