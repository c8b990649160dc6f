"""The publisher waits for room in the producer's queues as long as its own timeout allows."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from ocrstream_ingest import publisher as publisher_module
from ocrstream_ingest.publisher import Publisher, command_record
from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.events import BatchSubmitted


class FullProducer:
    """A producer whose queue has room at the last of `answers`; a False is an expired wait."""

    def __init__(self, answers: Iterator[bool]) -> None:
        self.sent = 0
        self._answers = answers
        self._real = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        await self._real.stop()

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Any:
        return self._real.create_batch()

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        await asyncio.sleep(0.001)
        if not next(self._answers):
            raise KafkaTimeoutError
        self.sent += batch.record_count()
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


async def publish(
    monkeypatch: pytest.MonkeyPatch, answers: Iterator[bool], timeout_s: float
) -> FullProducer:
    producer = FullProducer(answers)

    def create(_settings: ServiceSettings, _client_id: str) -> FullProducer:
        return producer

    monkeypatch.setattr(publisher_module, "create_producer", create)
    publisher = Publisher(ServiceSettings(), "test", timeout_s)
    await publisher.start()
    try:
        await publisher.publish("b", [command_record(BatchSubmitted(batch_id="b", total_images=1))])
    finally:
        await publisher.stop()
    return producer


async def test_a_wait_for_the_queue_that_expires_is_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = await publish(monkeypatch, iter([False, False, True]), timeout_s=30)
    assert producer.sent == 1


async def test_the_publishers_timeout_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProblemError, match="did not acknowledge"):
        await publish(monkeypatch, iter(lambda: False, True), timeout_s=0.05)
