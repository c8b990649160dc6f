"""The names of a broker's topics, asked without a Kafka library, so that the client needs none."""

import socket
import struct

_METADATA, _VERSION, _CORRELATION_ID = 3, 4, 1
_CLIENT_ID = b"ocrstream"
_ALL_TOPICS, _NO_AUTO_CREATION = -1, 0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


def topics_of(bootstrap_servers: str, timeout_s: float) -> set[str]:
    """Topics that the first broker that answers tells of.

    The protocol is Kafka's Metadata request, version 4, in plain text. Raises OSError if no broker
    answers, ValueError if the answer is none or `bootstrap_servers` no `host:port,…`.
    """
    failure: OSError = OSError("no broker is named")
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
                connection.sendall(_request())
                return _topics(_answer(connection))
        except OSError as error:
            failure = error
    raise failure


def _request() -> bytes:
    head = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION_ID, len(_CLIENT_ID))
    body = head + _CLIENT_ID + struct.pack(">ib", _ALL_TOPICS, _NO_AUTO_CREATION)
    return struct.pack(">i", len(body)) + body


def _answer(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    if not 0 < length <= _MAX_ANSWER_BYTES:
        raise ValueError("the answer is not Kafka's in plain text")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = connection.recv(count - len(content))
        if not piece:
            raise ConnectionError("the connection was closed; does the broker ask for TLS?")
        content += piece
    return content


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def number(self, kind: str) -> int:
        try:
            (value,) = struct.unpack_from(f">{kind}", self._content, self._at)
        except struct.error as error:
            raise ValueError("the answer is cut short") from error
        self._at += struct.calcsize(kind)
        return value

    def text(self) -> str:
        length = max(self.number("h"), 0)
        self._at += length
        return self._content[self._at - length : self._at].decode()

    def numbers(self) -> None:
        count = self.number("i")
        self._at += 4 * count


def _topics(answer: bytes) -> set[str]:
    reader = _Reader(answer)
    for _ in ("correlation id", "throttle time"):
        reader.number("i")
    for _ in range(reader.number("i")):  # brokers: id, host, port, rack
        reader.number("i")
        reader.text()
        reader.number("i")
        reader.text()
    reader.text()  # cluster id
    reader.number("i")  # controller
    topics: set[str] = set()
    for _ in range(reader.number("i")):
        reader.number("h")  # error
        topics.add(reader.text())
        reader.number("b")  # internal
        for _ in range(reader.number("i")):  # partitions: error, index, leader, replicas, in sync
            reader.number("h")
            reader.number("i")
            reader.number("i")
            reader.numbers()
            reader.numbers()
    return topics
