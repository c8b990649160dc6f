"""What is slow, urgent, cancelled, broken or worn holds up nothing else: on a real broker."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from real_servers import Broker
from worker_scene import Scene, until

from ocrstream_sandbox.shared_buffers import SharedBufferPool, write_bytes
from ocrstream_schemas.events import (
    BatchRevoked,
    ImageSubmitted,
    OcrSucceeded,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
)
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED, lane_topic
from ocrstream_worker.concurrency import Permit
from ocrstream_worker.consumer import ImageConsumer
from ocrstream_worker.engines.engine_client import EngineClient
from ocrstream_worker.engines.port import EngineSettings, RecognitionOptions

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# It can be opened, and reading it fails: trouble that might pass.
UNREACHABLE = "file:///proc/self/mem"
DECODER, ENGINE = "ocrstream_worker.decoder_server", "ocrstream_worker.engines.engine_server"


@pytest.fixture
async def scene(kafka_bootstrap: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    async with Scene(kafka_bootstrap, tmp_path) as scene:
        yield scene


class Counting(ImageConsumer):
    """Counts how often it is given partitions."""

    assignments = 0

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        self.assignments += 1
        await super().on_partitions_assigned(assigned)


async def test_a_page_slower_than_the_longest_poll_interval_costs_nothing(
    own_broker: Broker,
) -> None:
    group, read = f"test-{secrets.token_hex(6)}", list[str]()
    async with AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap) as producer:
        for number in range(2):
            value = json.dumps({"image_path": f"file:///{number}"}).encode()
            await producer.send_and_wait(IMAGES_SUBMITTED, value, partition=0)
    kafka = AIOKafkaConsumer(
        bootstrap_servers=own_broker.bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        max_poll_interval_ms=3_000,
        heartbeat_interval_ms=200,
        session_timeout_ms=10_000,
    )
    settings = EngineSettings(engine="noop", noop_image_s=7.0)
    with contextlib.closing(SharedBufferPool(1)) as buffers:
        async with EngineClient(settings, buffers) as engine:
            await engine.wait_ready()

            async def process(image: ImageSubmitted, place: Permit) -> None:
                with await buffers.acquire() as buffer:
                    write_bytes(buffer.fd, bytes(4 * 4 * 3))
                    await engine.recognize(buffer, 4, 4, RecognitionOptions())
                read.append(image.image_path)

            consumer = Counting(
                kafka,
                process,
                (IMAGES_SUBMITTED,),
                group_id=group,
                max_in_flight_images=1,
                max_backoff_images=0,
                max_uncommitted_records=10,
                drain_timeout_s=1,
            )
            stop = asyncio.Event()
            running = asyncio.create_task(consumer.run(stop))

            async def all_read() -> bool:
                assert not running.done()
                return len(read) >= 2

            try:
                await until("two slow images", all_read)
            finally:
                stop.set()
                await running
    assert read == [f"file:///{number}" for number in range(2)]
    assert consumer.assignments == 1
    async with AIOKafkaConsumer(
        bootstrap_servers=own_broker.bootstrap, group_id=group, enable_auto_commit=False
    ) as reader:
        assert await reader.committed(TopicPartition(IMAGES_SUBMITTED, 0)) == 2


async def test_urgent_images_pass_a_long_queue(own_broker: Broker, tmp_path: Path) -> None:
    async with Scene(own_broker.bootstrap, tmp_path) as scene:
        queue = await scene.submit(*[scene.good] * 5_000)
        await scene.ready(OCRSTREAM_LANES="urgent,default", OCRSTREAM_NOOP_IMAGE_S="0.02")
        await scene.some_done(queue, 20)
        before = scene.done(queue)
        urgent = await scene.submit(*[scene.good] * 10, topic=lane_topic("urgent"))
        await scene.outcomes(urgent)
        # At fifty a second these are a few seconds of a hundred.
        assert scene.done(queue) - before < 500


async def test_trouble_blocks_nobody_and_a_cancel_ends_whatever_waits(scene: Scene) -> None:
    await scene.ready(
        OCRSTREAM_IMAGE_ROOTS=f"/proc:{scene.folder / 'roots'}",
        OCRSTREAM_NOOP_IMAGE_S="3",
        OCRSTREAM_MAX_ATTEMPTS="100",
        OCRSTREAM_RETRY_BACKOFF_S="600",
    )
    unreachable = await scene.submit(*[UNREACHABLE] * 30)

    async def all_retried() -> bool:
        await scene.read()
        return all(any_of(scene, chain, TaskRetried) for chain in unreachable)

    # Far more than there are places.
    await until("retries", all_retried)
    good = await scene.submit(*[scene.good] * 20)
    await scene.some_done(good, 2)
    command = json.dumps({"type": BatchRevoked.__name__, "batch_id": scene.batch}).encode()
    done = scene.done(good)
    await scene.produce(BATCHES_COMMANDS, command)
    outcomes = await scene.outcomes([*unreachable, *good])
    for chain in unreachable:
        assert [type(event) for event in outcomes[chain]] == [TaskRevoked]
    read = [chain for chain in good if isinstance(outcomes[chain][0], OcrSucceeded)]
    # The one in the engine is finished, and one may have come out before the command.
    assert len(read) <= done + 2
    assert any(any_of(scene, chain, TaskStarted) for chain in read)
    await scene.all_committed()


def any_of(scene: Scene, chain: str, kind: type) -> bool:
    return any(isinstance(event, kind) for event in scene.events[chain])


async def test_children_that_die_or_wear_out_cost_no_image_its_outcome(scene: Scene) -> None:
    worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.03", OCRSTREAM_RECYCLE_IMAGES="40")
    chains = await scene.submit(*[scene.good] * 300)
    killed = 0
    for share, module in ((30, DECODER), (90, ENGINE), (150, DECODER), (200, ENGINE)):
        await scene.some_done(chains, share)
        for pid in worker.children(module)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    for events in outcomes.values():
        assert [type(event) for event in events] == [OcrSucceeded]
    # Each death costs the image in work one attempt, and nobody else anything.
    assert sum(events[0].attempt - 1 for events in outcomes.values()) <= killed == 4
    assert await worker.metric('ocrstream_worker_process_recycled_total{process="engine"}') >= 2
    assert await worker.metric('ocrstream_worker_process_recycled_total{process="decoder"}') >= 2
    assert await worker.ready()
    assert await worker.stop() == 0
