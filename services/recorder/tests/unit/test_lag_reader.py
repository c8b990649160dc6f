"""What the callers of the lag reader get while Kafka answers, and while it does not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from ocrstream_recorder.errors import LagUnknownError
from ocrstream_recorder.monitoring import consumer_lag
from ocrstream_recorder.monitoring.consumer_lag import LagReader, Logs
from ocrstream_runtime import reconnecting_loop
from ocrstream_runtime.retries import Backoff
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.topics import IMAGES_SUBMITTED

PARTITION = TopicPartition(IMAGES_SUBMITTED, 0)


class Kafka:
    """Both clients; `failure` is raised instead of each answer."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.measured = 0
        self.started = asyncio.Event()

    async def start(self) -> None:
        self.started.set()
        self._fail()

    async def stop(self) -> None: ...

    async def close(self) -> None: ...

    async def describe_cluster(self) -> dict[str, Any]:
        self.measured += 1
        await asyncio.sleep(0)
        self._fail()
        return {"cluster_id": "c"}

    async def describe_topics(self, _: list[str]) -> list[dict[str, Any]]:
        return [{"topic": PARTITION.topic, "partitions": [{"partition": PARTITION.partition}]}]

    async def beginning_offsets(self, _: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: 2}

    async def list_consumer_group_offsets(self, group: str, **_: Any) -> dict[TopicPartition, Any]:
        assert group == "workers"
        return {PARTITION: SimpleNamespace(offset=5)}

    async def end_offsets(self, _: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: 9}

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()

    def client(*_: Any, **__: Any) -> Kafka:
        return kafka

    monkeypatch.setattr(consumer_lag, "AIOKafkaAdminClient", client)
    monkeypatch.setattr(consumer_lag, "create_consumer", client)
    monkeypatch.setattr(reconnecting_loop, "OUTAGE_BACKOFF", Backoff(0.001))
    return kafka


@asynccontextmanager
async def running() -> AsyncGenerator[LagReader]:
    reader, stop = LagReader(ServiceSettings(), "workers"), asyncio.Event()
    task = asyncio.create_task(reader.run(stop))
    try:
        yield reader
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


async def test_callers_at_the_same_time_and_shortly_after_share_an_answer(kafka: Kafka) -> None:
    async with running() as reader:
        answers = await asyncio.gather(*(reader.read() for _ in range(5)))
        answers.append(await reader.read())
    assert kafka.measured == 1
    assert {id(answer) for answer in answers} == {id(answers[0])}
    assert answers[0].waiting(IMAGES_SUBMITTED, answers[0].committed) == 4


async def test_an_old_answer_is_measured_again(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_lag, "_TTL_S", -1.0)
    async with running() as reader:
        for expected in (1, 2, 3):
            await reader.read()
            assert kafka.measured == expected


async def test_a_failure_is_told_at_once_until_kafka_answers_again(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as reader:
        await kafka.started.wait()
        kafka.failure = KafkaConnectionError("no broker")
        with pytest.raises(LagUnknownError, match="no broker"):
            await reader.read()
        monkeypatch.setattr(consumer_lag, "_TIMEOUT_S", 0.0)
        with pytest.raises(LagUnknownError, match="no broker"):
            await reader.read()
        monkeypatch.setattr(consumer_lag, "_TIMEOUT_S", 5.0)
        kafka.failure = None
        async with asyncio.timeout(5):
            assert (await read_until_answered(reader)).cluster_id == "c"


async def read_until_answered(reader: LagReader) -> Logs:
    while True:
        with suppress(LagUnknownError):
            return await reader.read()
        await asyncio.sleep(0.001)
