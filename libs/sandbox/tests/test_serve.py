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
    HEAD_BYTES,
    Begun,
    Failed,
    Ready,
    Start,
    Work,
    encode_frame,
    length_of,
)

DEADLINE_S = 30.0


def test_nobody_waits_for_a_message_without_end() -> None:
    assert length_of(b"\x00\x00\x01\x00") == 256
    with pytest.raises(msgspec.DecodeError, match="4,294,967,295 bytes"):
        length_of(b"\xff" * HEAD_BYTES)


async def test_last_words_are_heard_though_jobs_are_sent_after_them() -> None:
    ours, childs = socket.socketpair()
    numbers = (str(number) for number in (childs.fileno(), os.getpid()))
    with childs:
        child = await asyncio.create_subprocess_exec(
            sys.executable, odd_child.__file__, *numbers, pass_fds=[childs.fileno()]
        )
    ours.sendall(
        encode_frame(Start(b"", 1, ChildLimits())) + encode_frame(Work(1, b"raise", alone=False))
    )
    said_all = select.poll()
    said_all.register(ours, select.POLLRDHUP)
    assert said_all.poll(DEADLINE_S * 1000)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    writer.write(encode_frame(Work(2, b"", alone=False)))
    await writer.drain()
    assert isinstance(await read_from_child(reader), Ready)
    assert await read_from_child(reader) == Begun((1,))
    assert await read_from_child(reader) == Failed("ValueError: unlucky", permanent=False)
    assert await read_from_child(reader) is None
    writer.close()
    await writer.wait_closed()
    assert await child.wait() == 0
