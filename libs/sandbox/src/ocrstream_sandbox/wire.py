"""The messages between a parent and its child processes.

A frame on the stream socket is a length of four bytes and one msgpack message. Jobs and results are
opaque bytes here. Large data lies in a file or a shared buffer and not in a frame.
"""

import socket
import struct

import msgspec

from ocrstream_sandbox.limits import ChildLimits

_LENGTH = struct.Struct("!I")
HEADER_BYTES = _LENGTH.size
_MAX_FRAME_BYTES = 256 * 1024 * 1024


class Initialize(msgspec.Struct, frozen=True, tag=True):
    """Parent to child, once: set the limits and load. A batch has at most `batch_size` jobs."""

    settings: bytes
    batch_size: int
    limits: ChildLimits


class RunJob(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: run a job. `isolated`: in a batch of its own."""

    number: int
    job: bytes
    isolated: bool


class CancelJob(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: cancel a job unless it has started."""

    number: int


class ChildReady(msgspec.Struct, frozen=True, tag=True):
    """Child to parent, once: the child accepts jobs."""

    info: bytes


class JobsStarted(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: it runs these jobs now; if it crashes, any of them may be the cause."""

    numbers: tuple[int, ...]


class JobsFinished(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: the results of the batch, the seconds it took, the memory in use."""

    results: tuple[tuple[int, bytes], ...]
    busy_s: float
    resident_bytes: int


class JobCancelled(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: it will not run the job."""

    number: int


class ChildFailed(msgspec.Struct, frozen=True, tag=True):
    """Child to parent, before it exits. `permanent`: another start would fail the same way."""

    error: str
    permanent: bool


ParentMessage = Initialize | RunJob | CancelJob
ChildMessage = ChildReady | JobsStarted | JobsFinished | JobCancelled | ChildFailed

_encoder = msgspec.msgpack.Encoder()
_parent_messages: msgspec.msgpack.Decoder[ParentMessage] = msgspec.msgpack.Decoder(ParentMessage)
_child_messages: msgspec.msgpack.Decoder[ChildMessage] = msgspec.msgpack.Decoder(ChildMessage)
decode_from_child = _child_messages.decode


def printable(text: str) -> str:
    """Escapes NUL and lone surrogates, which no message or event can carry."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def encode_frame(message: ParentMessage | ChildMessage) -> bytes:
    """Encodes a message as a frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """The length of the message that follows this header of `HEADER_BYTES`.

    Raises msgspec.DecodeError if it exceeds the maximum.
    """
    (length,) = _LENGTH.unpack(header)
    if length > _MAX_FRAME_BYTES:
        raise msgspec.DecodeError(f"a message of {length:,} bytes exceeds the maximum")
    return length


def read_from_parent(connection: socket.socket) -> ParentMessage | None:
    """Reads the next message; returns None if the parent has exited. Blocks."""
    header = _receive(connection, HEADER_BYTES)
    if header is None:
        return None
    body = _receive(connection, _LENGTH.unpack(header)[0])
    return None if body is None else _parent_messages.decode(body)


def _receive(connection: socket.socket, size: int) -> bytes | None:
    received = bytearray()
    while len(received) < size:
        try:
            part = connection.recv(size - len(received))
        except ConnectionError:
            return None
        if not part:
            return None
        received += part
    return bytes(received)
