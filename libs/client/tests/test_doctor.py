"""What the doctor holds to, and what it makes of answers that are no broker's."""

import socket
import threading
from collections.abc import Generator

import pytest

from ocrstream_client.doctor import TOPICS, examine
from ocrstream_client.kafka_metadata import list_topics
from ocrstream_schemas.topics import DEAD_LETTER_SUFFIX, LANES, lane_topic
from ocrstream_schemas.topics import TOPICS as SPECS


@pytest.fixture
def answering() -> Generator[dict[str, bytes]]:
    """A server that answers whatever is sent with `answer`; its address is `at`."""
    told: dict[str, bytes] = {"answer": b""}
    with socket.create_server(("127.0.0.1", 0)) as server:
        told["at"] = f"127.0.0.1:{server.getsockname()[1]}".encode()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(told["answer"])

        thread = threading.Thread(target=serve)
        thread.start()
        yield told
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\0\0\0\4\0\0\0\1",
        b"\0\0\0\x10" + b"\0" * 8 + b"\x7f\xff\xff\xff" + b"\0" * 4,
    ],
)
def test_what_is_no_broker_is_told_and_not_waited_for(
    answering: dict[str, bytes], answer: bytes
) -> None:
    answering["answer"] = answer
    with pytest.raises((OSError, ValueError)):
        list_topics(answering["at"].decode(), 5)


def test_the_topics_it_looks_for_are_those_of_the_contract() -> None:
    lanes = {lane_topic(lane) for lane in LANES}
    assert {name for name in SPECS if not name.endswith(DEAD_LETTER_SUFFIX)} - lanes == TOPICS


def test_with_nothing_set_it_says_what_to_set() -> None:
    found = {finding.part: finding for finding in examine({})}
    assert (found["ingest"].state, found["recorder"].state) == ("trouble", "trouble")
    assert "set INGEST_URL" in str(found["ingest"].cure)
    others = ("broker", "object store", "recording", "workers")
    assert {found[part].state for part in others} == {"unknown"}
