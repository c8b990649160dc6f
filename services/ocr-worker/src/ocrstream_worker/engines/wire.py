"""What the worker and the engine's process say to each other.

Frames on a stream socket: four bytes of length, then one msgpack message. Pixels never travel in a
frame: they lie in shared memory and a message only says where.
"""

import asyncio
import socket
import struct

import msgspec

from ocrstream_worker.engines.port import EngineInfo, EngineSettings, Outcome, ReadOptions

_LENGTH = struct.Struct("!I")


class Start(msgspec.Struct, frozen=True, tag=True):
    """Worker to engine, once: load this engine and warm up."""

    settings: EngineSettings


class Work(msgspec.Struct, frozen=True, tag=True):
    """Worker to engine: read the images that lie one after the other in memory slot `slot`.

    `shapes` are their heights and widths; every pixel is three bytes. `options` are one for each.
    """

    number: int
    slot: int
    shapes: tuple[tuple[int, int], ...]
    options: tuple[ReadOptions, ...]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker, once: warm."""

    info: EngineInfo


class Done(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker: the outcomes of work `number`, and how long the engine computed."""

    number: int
    outcomes: tuple[Outcome, ...]
    busy_s: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker, then it exits. `permanent`: another start would end the same way."""

    error: str
    permanent: bool


ToEngine = Start | Work
ToWorker = Ready | Done | Failed

_encoder = msgspec.msgpack.Encoder()
_to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)


def encode_frame(message: ToEngine | ToWorker) -> bytes:
    """One message as it goes over the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


async def read_from_engine(reader: asyncio.StreamReader) -> ToWorker | None:
    """The next message, or None when the engine's process has ended.

    Raises msgspec.DecodeError on what is no message.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return _to_worker.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def read_from_worker(connection: socket.socket) -> ToEngine | None:
    """The next message, or None when the worker is gone. Blocks."""
    head = _receive(connection, _LENGTH.size)
    if head is None:
        return None
    body = _receive(connection, _LENGTH.unpack(head)[0])
    return None if body is None else _to_engine.decode(body)


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
