"""Webhooks: signed, tried again, never sent where they must not go, and no secret in the log."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs
from webhook_receiver import SECRET, WebhookReceiver, status, webhook_receiver
from write_poll import write_poll

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.outbox import webhook_rows as store
from ocrstream_recorder.outbox import webhook_sender as sender_module
from ocrstream_recorder.outbox.webhook_client import WebhookClient
from ocrstream_recorder.outbox.webhook_sender import WebhookSender, backoff_s
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_recorder.settings import parse_webhook_secrets
from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_schemas.events import BatchRevoked, BatchSubmitted

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
TIMEOUT_S = 1.0


class Running:
    """A sender at work; `resolver` stands for the name server."""

    def __init__(
        self,
        url: str,
        *,
        secret: str = SECRET,
        allowed: str = "127.0.0.0/8",
        timeout_s: float = TIMEOUT_S,
        give_up_after_s: float = 3600,
        names: dict[str, Sequence[str]] | None = None,
    ) -> None:
        self.database = Database(url, "webhooks")
        keys = parse_webhook_secrets(secret)
        self._names = names or {}
        backend = GuardedBackend(parse_networks(allowed), self._resolve)
        self.sender = WebhookSender(
            self.database,
            WebhookClient(keys, backend, timeout_s) if keys else None,
            timeout_s=timeout_s,
            give_up_after_s=give_up_after_s,
        )
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.sender.run(self.stop))

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        return self._names.get(host, [host])

    async def end(self) -> None:
        self.stop.set()
        self.sender.woken.set()
        await self.task
        await self.database.close()


Starts = Callable[..., Running]


@pytest.fixture
async def starts(database_url: str) -> AsyncGenerator[Starts]:
    """Starts a sender that is ended with the test."""
    running: list[Running] = []

    def start(**settings: Any) -> Running:
        running.append(Running(database_url, **settings))
        return running[-1]

    yield start
    for one in running:
        await one.end()


@pytest.fixture
def receiver() -> Generator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_FIRST_BACKOFF_S", 0.05)
    monkeypatch.setattr(sender_module, "_BACKOFF_FACTOR", 1.5)
    monkeypatch.setattr(sender_module, "_INTERVAL_S", 0.05)


def complete(url: str, webhook_url: Any, batch_id: str = "b") -> None:
    """Record a batch that ends at once, in one transaction with what follows."""
    event = BatchSubmitted(batch_id=batch_id, total_images=0, options={"webhook_url": webhook_url})
    write(url, event)


def write(url: str, event: BatchSubmitted | BatchRevoked) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        write_poll(connection, PollChanges([changes_of(event, ZONE.to_local)]), ZONE)


def rows(url: str) -> list[tuple[str, int, int, str, str | None]]:
    """(batch_id, revision, attempts, state, last_error)"""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT batch_id, revision, attempts, state, last_error FROM recorder_webhooks"
            " ORDER BY batch_id, revision"
        ).fetchall()


async def ended(url: str) -> list[tuple[str, int, int, str, str | None]]:
    async with asyncio.timeout(30):
        while True:
            found = rows(url)
            if found and all(state != "pending" for *_, state, _ in found):
                return found
            await asyncio.sleep(0.02)


async def asked(receiver: WebhookReceiver) -> None:
    async with asyncio.timeout(30):
        while True:
            if receiver.requests:
                return
            await asyncio.sleep(0.02)


async def failed_once(url: str) -> str:
    async with asyncio.timeout(30):
        while True:
            for *_, error in rows(url):
                if error is not None:
                    return error
            await asyncio.sleep(0.02)


async def test_the_event_arrives_signed(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    complete(database_url, f"{receiver.url}/hook?token=x")
    starts()
    assert await ended(database_url) == [("b", 1, 1, "delivered", None)]
    (message,) = receiver.messages
    assert message.path == "/hook?token=x"
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT value FROM recorder_webhooks").fetchone()
        sent = connection.execute("SELECT value FROM recorder_outbox").fetchone()
    assert row == sent
    assert message.event["type"] == "BatchCompleted"
    assert (message.event["batch_id"], message.event["revision"]) == ("b", 1)


async def test_while_secrets_change_both_sign(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    complete(database_url, receiver.url)
    starts(secret=f"whsec_{'A' * 40} {SECRET}")
    await ended(database_url)
    assert len(receiver.messages) == 1


async def test_what_fails_is_tried_again_under_the_same_id(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    receiver.answers = [status(500), status(404), status(503, Retry_After="0")]
    complete(database_url, receiver.url)
    starts()
    assert await ended(database_url) == [("b", 1, 4, "delivered", None)]
    assert len({message.id for message in receiver.messages}) == 1


async def test_what_keeps_failing_is_given_up(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    receiver.answers = [status(500)] * 1000
    complete(database_url, receiver.url)
    starts(give_up_after_s=0.5)
    ((_, _, attempts, state, error),) = await ended(database_url)
    assert (state, error) == ("failed", "answered 500")
    assert attempts > 1


async def test_a_receiver_that_is_gone_is_not_asked_again(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    receiver.answers = [status(410)]
    complete(database_url, receiver.url)
    starts()
    assert await ended(database_url) == [("b", 1, 1, "failed", "answered 410")]


async def test_redirects_are_not_followed(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    with webhook_receiver() as inside:
        receiver.answers = [status(307, Location=f"{inside.url}/")]
        complete(database_url, receiver.url)
        starts()
        assert "redirects" in await failed_once(database_url)
        await ended(database_url)
        assert inside.requests == 0


async def test_a_slow_receiver_is_cut_off_and_holds_up_nobody(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        """Never silent for long, and never done."""
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            for number in range(200):
                request.wfile.write(f"x-{number}: y\r\n".encode())
                time.sleep(0.1)

    receiver.answers = [drip]
    complete(database_url, receiver.url, "slow")
    starts()
    await asked(receiver)
    with webhook_receiver() as other:
        for number in range(50):
            complete(database_url, other.url, f"quick-{number}")
        assert "no answer within 1 s" in await failed_once(database_url)
        found = await ended(database_url)
        assert {state for *_, state, _ in found} == {"delivered"}
        assert len(other.messages) == 50


async def test_a_huge_answer_is_not_read(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    written: list[int] = []

    def flood(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(OSError):
            written.extend(request.wfile.write(b"x" * 1_000_000) for _ in range(1000))

    def endless_head(request: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            request.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            for _ in range(1000):
                request.wfile.write(b"x" * 1_000_000)

    receiver.answers = [endless_head, flood]
    complete(database_url, receiver.url)
    starts()
    assert "no HTTP" in await failed_once(database_url)
    assert await ended(database_url) == [("b", 1, 2, "delivered", None)]
    assert len(written) < 100


@pytest.mark.parametrize("names", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["8.8.8.8", "10.0.0.1"]])
async def test_what_is_inside_is_not_reached(
    starts: Starts, receiver: WebhookReceiver, database_url: str, names: list[str]
) -> None:
    port = receiver.url.rpartition(":")[2]
    complete(database_url, f"http://looks.public.example:{port}/")
    starts(allowed="", names={"looks.public.example": names})
    assert "the host has an address that is not public" in await failed_once(database_url)
    assert receiver.requests == 0


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ("file:///etc/passwd", "must begin with"),
        ("http://u:p@127.0.0.1/", "user or password"),
        (5, "must begin with"),
        ({"url": 1}, "must begin with"),
    ],
)
async def test_a_url_that_cannot_be_used_ends_the_delivery(
    starts: Starts, database_url: str, told: Any, error: str
) -> None:
    complete(database_url, told)
    starts()
    ((*_, state, last_error),) = await ended(database_url)
    assert state == "failed"
    assert error in str(last_error)


async def test_without_a_secret_nothing_is_sent_and_the_delivery_says_so(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    complete(database_url, receiver.url)
    starts(secret="")
    ((*_, state, error),) = await ended(database_url)
    assert state == "failed"
    assert "OCRSTREAM_WEBHOOK_SECRET" in str(error)
    assert receiver.requests == 0


async def test_only_the_newest_revision_is_tried_again(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    receiver.answers = [status(500, Retry_After="600")]
    complete(database_url, receiver.url)
    running = starts()
    await failed_once(database_url)
    write(database_url, BatchRevoked(batch_id="b", run=1))
    running.sender.woken.set()
    found = await ended(database_url)
    assert [(revision, state) for _, revision, _, state, _ in found] == [
        (1, "superseded"),
        (2, "delivered"),
    ]
    assert [message.event["revision"] for message in receiver.messages] == [1, 2]


async def test_several_replicas_deliver_each_once(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    for number in range(60):
        complete(database_url, receiver.url, f"batch-{number}")
    for _ in range(3):
        starts(timeout_s=30)  # However busy the machine is, none is to be tried again.
    found = await ended(database_url)
    assert {(attempts, state) for _, _, attempts, state, _ in found} == {(1, "delivered")}
    assert len({message.id for message in receiver.messages}) == len(receiver.messages) == 60


async def test_an_attempt_that_nobody_ended_is_made_again(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    """As after a kill between the claim and the answer."""
    complete(database_url, receiver.url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.cursor() as cursor:
            (dead,) = store.claim(cursor, 10, lease_s=0.3)
            assert store.claim(cursor, 10, lease_s=0.3) == []
        starts()
        assert await ended(database_url) == [("b", 1, 2, "delivered", None)]
        with connection.cursor() as cursor:
            # What the dead one might still say changes nothing.
            store.failed(cursor, dead, "late", 0.0)
    assert rows(database_url) == [("b", 1, 2, "delivered", None)]


async def test_nothing_secret_reaches_the_log(
    starts: Starts, receiver: WebhookReceiver, database_url: str
) -> None:
    receiver.answers = [status(500)]
    with capture_logs() as logs:
        complete(database_url, f"{receiver.url}/path-secret?token=query-secret")
        starts()
        await ended(database_url)
    told = str(logs)
    assert "webhook not delivered" in told
    assert receiver.url in told
    for secret in ("path-secret", "query-secret", SECRET):
        assert secret not in told


def test_pauses_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pauses = [backoff_s(attempt, None) for attempt in range(1, 2000)]
    for early, late in zip(pauses, pauses[2:6], strict=False):
        assert early < late
    assert 1.5 * 3600 <= pauses[-1] <= 3 * 3600
    assert backoff_s(1, 600.0) == 600.0
    assert backoff_s(1, 1e12) == 3 * 3600


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_AAAA", "whsec_***", "A" * 44])
def test_bad_secrets_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as refused:
        parse_webhook_secrets(secret)
    assert secret == "whsec_" or secret not in str(refused.value)
