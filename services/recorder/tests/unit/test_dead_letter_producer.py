"""How long the producer of dead letters waits for the broker."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError
from starved import compute_in_turns, lift_wall_limit

from ocrstream_recorder.dead_letters import producer as producer_module
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer
from ocrstream_recorder.rules.rejection import Rejection
from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_schemas.topics import OCR_RESULTS

LIMIT_S = 0.2
REJECTION = Rejection("invalid", "it is no JSON")


class Broker:
    """Acknowledges each record once `step` has returned."""

    def __init__(self, step: Callable[[], Awaitable[object]]) -> None:
        self._step = step
        self.records = 0

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["Broker"]:
        yield self

    async def send(self, topic: str, **_: Any) -> asyncio.Future[Any]:
        self.records += 1
        await self._step()
        acknowledged: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(SimpleNamespace(topic=topic, partition=0, offset=self.records))
        return acknowledged


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_module, "_TIMEOUT_S", LIMIT_S)


async def publish(broker: Broker, count: int) -> int:
    """Returns how many of `count` records are dead letters."""
    records = [
        RawRecord(OCR_RESULTS, 0, offset, 0, 0, b"k", b"{", None, 1, 1, ())
        for offset in range(count)
    ]
    producer = DeadLetterProducer(cast("RenewableProducer", broker), "recorder")
    return len(await producer.publish((record, REJECTION) for record in records))


async def test_time_without_cpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lift_wall_limit(monkeypatch)
    assert await publish(Broker(lambda: compute_in_turns(2 * LIMIT_S)), 1) == 1


async def test_the_limit_applies_to_each_record() -> None:
    assert await publish(Broker(lambda: asyncio.sleep(LIMIT_S / 3)), 6) == 6


async def test_a_broker_that_does_not_acknowledge_is_reported() -> None:
    with pytest.raises(KafkaTimeoutError, match=r"ocr\.results\.dlq"):
        await publish(Broker(asyncio.Event().wait), 1)
