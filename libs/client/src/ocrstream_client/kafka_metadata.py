"""Lists a broker's topics without a Kafka library, which the client does not depend on."""

import socket
import struct

_METADATA, _VERSION, _CORRELATION_ID = 3, 4, 1
_CLIENT_ID = b"ocrstream"
_ALL_TOPICS, _NO_AUTO_CREATION = -1, 0
_MAX_RESPONSE_BYTES = 16 * 1024 * 1024


def list_topics(bootstrap_servers: str, timeout_s: float) -> set[str]:
    """Returns the topics that the first answering broker lists.

    It sends Kafka's Metadata request, version 4, without TLS. Raises OSError if no broker answers,
    ValueError if the response or `bootstrap_servers` (`host:port,…`) is not valid.
    """
    failure: OSError = OSError("KAFKA_BOOTSTRAP_SERVERS names no broker")
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
                connection.sendall(_request())
                return _parse_topics(_read_response(connection))
        except OSError as error:
            failure = error
    raise failure


def _request() -> bytes:
    head = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION_ID, len(_CLIENT_ID))
    body = head + _CLIENT_ID + struct.pack(">ib", _ALL_TOPICS, _NO_AUTO_CREATION)
    return struct.pack(">i", len(body)) + body


def _read_response(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _read_exactly(connection, 4))
    if not 0 < length <= _MAX_RESPONSE_BYTES:
        raise ValueError("the response is not Kafka's protocol without TLS")
    return _read_exactly(connection, length)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        chunk = connection.recv(count - len(content))
        if not chunk:
            raise ConnectionError("the broker closed the connection; does it require TLS?")
        content += chunk
    return content


class _ResponseParser:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._offset = 0

    def number(self, kind: str) -> int:
        try:
            (value,) = struct.unpack_from(f">{kind}", self._content, self._offset)
        except struct.error as error:
            raise ValueError("the response is incomplete") from error
        self._offset += struct.calcsize(kind)
        return value

    def text(self) -> str:
        length = max(self.number("h"), 0)
        self._offset += length
        return self._content[self._offset - length : self._offset].decode()

    def numbers(self) -> None:
        count = self.number("i")
        self._offset += 4 * count


def _parse_topics(response: bytes) -> set[str]:
    parser = _ResponseParser(response)
    for _ in ("correlation id", "throttle time"):
        parser.number("i")
    for _ in range(parser.number("i")):  # brokers: id, host, port, rack
        parser.number("i")
        parser.text()
        parser.number("i")
        parser.text()
    parser.text()  # cluster id
    parser.number("i")  # controller
    topics: set[str] = set()
    for _ in range(parser.number("i")):
        parser.number("h")  # error
        topics.add(parser.text())
        parser.number("b")  # internal
        for _ in range(parser.number("i")):  # partitions: error, index, leader, replicas, in sync
            parser.number("h")
            parser.number("i")
            parser.number("i")
            parser.numbers()
            parser.numbers()
    return topics
