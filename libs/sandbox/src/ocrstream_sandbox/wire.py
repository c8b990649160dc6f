"""What a parent and its child processes say to each other.

Frames on a stream socket: four bytes of length, then one msgpack message. What a job is about is
bytes to this module. What is large lies in a file or a shared buffer, and travels in no frame.
"""

import socket
import struct

import msgspec

from ocrstream_sandbox.limits import ChildLimits

_LENGTH = struct.Struct("!I")
HEAD_BYTES = _LENGTH.size
_LONGEST_FRAME = 256 * 1024 * 1024


class Start(msgspec.Struct, frozen=True, tag=True):
    """Parent to child, once: get ready. At most `batch_size` jobs are done in one go."""

    settings: bytes
    batch_size: int
    limits: ChildLimits


class Work(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: a job. `alone`: not in one go with others."""

    number: int
    job: bytes
    alone: bool


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Parent to child: forget a job, unless it is begun."""

    number: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Child to parent, once: warm."""

    info: bytes


class Begun(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: these jobs are in work now; if it dies, it was one of them."""

    numbers: tuple[int, ...]


class Done(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: the answers to what was begun, and the seconds and memory it took."""

    answers: tuple[tuple[int, bytes], ...]
    busy_s: float
    resident_bytes: int


class Dropped(msgspec.Struct, frozen=True, tag=True):
    """Child to parent: a job is forgotten."""

    number: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Child to parent, then it exits. `permanent`: another start would end the same way."""

    error: str
    permanent: bool


ToChild = Start | Work | Drop
ToParent = Ready | Begun | Done | Dropped | Failed

_encoder = msgspec.msgpack.Encoder()
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_to_parent: msgspec.msgpack.Decoder[ToParent] = msgspec.msgpack.Decoder(ToParent)
decode_from_child = _to_parent.decode


def printable(text: str) -> str:
    """The text with escapes for what no message or event can carry: NUL and lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def encode_frame(message: ToChild | ToParent) -> bytes:
    """One message as it goes over the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """How long the message behind these `HEAD_BYTES` is.

    Raises msgspec.DecodeError if it is longer than anybody is to believe.
    """
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST_FRAME:
        raise msgspec.DecodeError(f"a message of {length:,} bytes")
    return length


def read_from_parent(connection: socket.socket) -> ToChild | None:
    """The next message, or None when the parent is gone. Blocks."""
    head = _receive(connection, HEAD_BYTES)
    if head is None:
        return None
    body = _receive(connection, _LENGTH.unpack(head)[0])
    return None if body is None else _to_child.decode(body)


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
