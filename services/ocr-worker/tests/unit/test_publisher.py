"""What is sent again, what ends the worker, and what is made to fit."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)
from structlog.testing import capture_logs

from ocrstream_runtime.clock import translate_clock_errors
from ocrstream_runtime.errors import NotReadyError, RecordTooLargeError
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.retries import Backoff
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import ImageSubmitted, Provenance, TaskRevoked, TaskStarted, TextBox
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import OCR_RESULTS, TASKS_LIFECYCLE, TOPICS
from ocrstream_worker import publisher as publisher_module
from ocrstream_worker.engines.port import Recognition
from ocrstream_worker.publisher import KafkaPublisher
from ocrstream_worker.result_events import ImageAttempt

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Broker:
    """Stands in for the producer that is acquired; raises `failures` first."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.records: list[tuple[str, bytes, bytes]] = []
        self.timestamps_ms: list[int] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["Broker"]:
        with translate_clock_errors():
            yield self

    async def send_and_wait(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes,
        headers: list[tuple[str, bytes]],
        timestamp_ms: int,
    ) -> None:
        assert dict(headers)["ce_type"]
        if self._failures:
            raise self._failures.pop(0)
        self.records.append((topic, value, key))
        self.timestamps_ms.append(timestamp_ms)


def publisher_to(broker: Broker) -> KafkaPublisher:
    return KafkaPublisher(cast("RenewableProducer", broker))


def attempt(options: dict[str, Any] | None = None) -> ImageAttempt:
    image = ImageSubmitted(image_path="file:///a", chain_id="c", options=options)
    return ImageAttempt(image, 1, NOW, "worker-1")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "OUTAGE_BACKOFF", Backoff(0))


async def test_insists_while_the_failure_may_pass() -> None:
    broker = Broker(KafkaConnectionError(), KafkaTimeoutError())
    await publisher_to(broker).publish(attempt().started_event(), "c")
    assert [(topic, key) for topic, _, key in broker.records] == [(TASKS_LIFECYCLE, b"c")]


async def test_a_submitter_whose_clock_is_ahead_gets_its_own_time_back() -> None:
    now = datetime.now(UTC)
    broker = Broker()
    for ahead in (timedelta(0), timedelta(minutes=50)):
        submitted_at = now + ahead
        image = ImageSubmitted(image_path="file:///a", chain_id="c", submitted_at=submitted_at)
        message = ImageAttempt(image, 1, now, "worker-1").started_event()
        await publisher_to(broker).publish(message, "c")
        topic, value, _ = broker.records.pop()
        timestamp_ms = broker.timestamps_ms.pop()
        event = decode(topic, value, RecordRef(topic, 0, 0, timestamp_ms))
        assert isinstance(event, TaskStarted)
        assert event.submitted_at == submitted_at
    assert timestamp_ms - now.timestamp() * 1000 > 39 * 60 * 1000


async def test_while_the_clock_is_wrong_it_says_so_and_insists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher_module, "OUTAGE_BACKOFF", Backoff(3600))
    broker = Broker(InvalidTimestampError(), KafkaConnectionError())
    publisher = publisher_to(broker)
    with capture_logs() as logs:
        publishing = asyncio.create_task(publisher.publish(attempt().started_event(), "c"))
        # It sleeps once it has said so.
        await asyncio.wait([publishing], timeout=0.1)
    (told,) = logs
    assert told["log_level"] == "error"
    assert "Kafka refuses the time of this machine's clock, 20" in told["error"]
    with pytest.raises(NotReadyError, match="set it right"):
        await publisher.check()
    publishing.cancel()
    await asyncio.wait([publishing])
    await publisher.check()
    monkeypatch.setattr(publisher_module, "OUTAGE_BACKOFF", Backoff(0))
    await publisher.publish(attempt().started_event(), "c")
    assert len(broker.records) == 1


@pytest.mark.parametrize("error", [OutOfOrderSequenceNumber(), TopicAuthorizationFailedError()])
async def test_what_never_passes_is_raised(error: Exception) -> None:
    broker = Broker(error)
    with pytest.raises(type(error)):
        await publisher_to(broker).publish(attempt().started_event(), "c")
    assert broker.records == []


async def test_a_result_that_does_not_fit_is_not_tried() -> None:
    box = TextBox(text="x" * 1000, confidence=1, bbox=((0, 0), (1, 0), (1, 1), (0, 1)))
    boxes = (box,) * (TOPICS[OCR_RESULTS].max_message_bytes // 1000)
    message = attempt().recognized_event(
        Recognition(boxes=boxes, provenance=Provenance(engine="noop")), NOW
    )
    broker = Broker()
    with pytest.raises(RecordTooLargeError):
        await publisher_to(broker).publish(message, "c")
    assert broker.records == []


async def test_options_are_left_out_where_they_do_not_fit() -> None:
    options = {"note": "x" * TOPICS[TASKS_LIFECYCLE].max_message_bytes}
    broker = Broker()
    await publisher_to(broker).publish(attempt(options).revoked_event(NOW), "c")
    ((topic, value, _),) = broker.records
    event = decode(topic, value, RecordRef(topic, 0, 0, 1_780_000_000_000))
    assert isinstance(event, TaskRevoked)
    assert (event.chain_id, event.image_path, event.options) == ("c", "file:///a", None)
