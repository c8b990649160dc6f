"""A commit whose reply is lost, and a database that is set back behind what was committed."""

import secrets
import socket
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from real_servers import fresh_database
from whole_system import API, System, eventually

from ocrstream_local import processes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

IMAGES = 40


class LosesAReply:
    """A way to the server that cuts off the first connection to commit that offsets are moved."""

    def __init__(self, listener: socket.socket, host: str, port: int) -> None:
        self._listener = listener
        self._server = (host, port)
        self._lock = threading.Lock()
        self.lost = False

    def serve(self) -> None:
        """Take connections until nobody listens any more."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with closing(client), closing(socket.create_connection(self._server)) as server:
            committing = threading.Event()
            asking = threading.Thread(target=self._ask, args=(client, server, committing))
            asking.start()
            while answer := _received(server):
                with self._lock:
                    if committing.is_set() and not self.lost:
                        self.lost = True
                        break
                client.sendall(answer)
            for end in (client, server):
                end.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(
        self, client: socket.socket, server: socket.socket, committing: threading.Event
    ) -> None:
        moved = False
        while asked := _received(client):
            moved = moved or b"UPDATE recorder_offsets" in asked
            if moved and b"COMMIT\0" in asked:
                committing.set()
            server.sendall(asked)


def _received(end: socket.socket) -> bytes:
    """What comes next; nothing once the connection has ended."""
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


@contextmanager
def losing_a_reply(url: str) -> Generator[tuple[str, LosesAReply]]:
    """Such a way to a database, and the URL that takes it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        way = LosesAReply(listener, parts.hostname, parts.port or 5432)
        serving = threading.Thread(target=way.serve)
        serving.start()
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield parts._replace(netloc=netloc).geturl(), way
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()


async def test_a_poll_whose_reply_to_commit_is_lost_counts_once(bare_system: System) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    system.start(API)
    with losing_a_reply(system.database) as (url, way):
        system.start("recorder", DATABASE_URL=url)
        references = [f"file:///{index}.png" for index in range(IMAGES)]
        await system.submit(batch_id, references, IMAGES)
        system.seen(batch_id, IMAGES)
        assert way.lost

        def dropped() -> bool | None:
            lines = httpx.get(f"{system.recording_url}/metrics").text.splitlines()
            return "ocrstream_recorder_offset_conflicts_total 1.0" in lines or None

        eventually("the poll is dropped", dropped)
        assert system.processes["recorder"].running
        system.stop()


async def test_restored_to_an_earlier_hour_it_reads_what_followed_again(
    bare_system: System,
) -> None:
    system, batches = bare_system, [secrets.token_hex(8) for _ in range(3)]
    system.start("recorder")
    await system.submit(batches[0], ["file:///a.png"], 1)
    system.seen(batches[0], 1)
    processes.stop(system.processes.values(), 30)
    with fresh_database(system.database) as earlier:
        system.start("recorder")
        await system.submit(batches[1], ["file:///b.png", "file:///c.png"], 2)
        system.seen(batches[1], 2)
        processes.stop(system.processes.values(), 30)
        system.database = earlier
        system.start("recorder")
        await system.submit(batches[2], ["file:///d.png"], 1)
        for count, batch_id in zip((1, 2, 1), batches, strict=True):
            system.seen(batch_id, count)
        system.stop()
