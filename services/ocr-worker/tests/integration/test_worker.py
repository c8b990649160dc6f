"""The worker as a process, on a real broker, seen through its events and its group's offsets."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from real_servers import Broker
from worker_scene import STOP_S, Scene, until

from ocrstream_schemas.events import BatchRevoked, OcrSucceeded, Reason, TaskRevoked
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def scene(kafka_bootstrap: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    async with Scene(kafka_bootstrap, tmp_path) as scene:
        yield scene


async def test_every_image_has_one_outcome_and_every_record_is_committed(scene: Scene) -> None:
    broken = scene.folder / "roots" / "broken.png"
    broken.write_bytes(b"no image")
    outside = scene.folder / "outside.png"
    outside.write_bytes(b"secret")
    before = await scene.submit(*[scene.good] * 100)
    await scene.produce(IMAGES_SUBMITTED, b"{", b'{"image_path": 1}', b"\xff", None)
    bad = await scene.submit(
        (scene.folder / "roots" / "absent.png").as_uri(),
        outside.as_uri(),
        broken.as_uri(),
        "https://example.org/a.png",
    )
    after = await scene.submit(*[scene.good] * 100)
    worker = await scene.ready()
    outcomes = await scene.outcomes([*before, *bad, *after])
    await scene.all_committed()
    assert await worker.stop() == 0
    await scene.read()
    for chain in (*before, *after):
        (event,) = outcomes[chain]
        assert isinstance(event, OcrSucceeded)
        assert (len(event.boxes), event.batch_id, event.attempt) == (30, scene.batch, 1)
        assert event.started_at is not None
        assert event.finished_at is not None
        assert event.started_at <= event.finished_at
    assert [event.reason for chain in bad for event in outcomes[chain]] == [
        Reason.NOT_FOUND,
        Reason.REFUSED,
        Reason.UNDECODABLE,
        Reason.REFUSED,
    ]


async def test_stopped_amid_a_batch_another_finishes_it(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 120)
    worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.02")
    await scene.some_done(chains, 5)
    assert await worker.stop() == 0
    await scene.read()
    assert scene.done(chains) < len(chains)
    await scene.start()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    # It had the time to finish what it held: nothing was read twice.
    assert {len(events) for events in outcomes.values()} == {1}


async def test_killed_amid_a_batch_another_finishes_it(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 120)
    worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.02")
    await scene.some_done(chains, 5)
    await worker.kill()
    await scene.read()
    assert scene.done(chains) < len(chains)
    await scene.start()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    assert all(isinstance(event, OcrSucceeded) for one in outcomes.values() for event in one)


async def test_what_was_cancelled_before_the_start_is_never_read(scene: Scene) -> None:
    chains = await scene.submit(*[scene.good] * 20)
    await scene.produce(
        BATCHES_COMMANDS,
        b"no command",
        json.dumps({"type": BatchRevoked.__name__, "batch_id": scene.batch}).encode(),
    )
    await scene.ready()
    outcomes = await scene.outcomes(chains)
    await scene.all_committed()
    for (event,) in outcomes.values():
        assert isinstance(event, TaskRevoked)
        assert event.batch_id == scene.batch


async def test_a_broker_that_goes_away_and_comes_back_loses_nothing(
    own_broker: Broker, tmp_path: Path
) -> None:
    async with Scene(own_broker.bootstrap, tmp_path) as scene:
        chains = await scene.submit(*[scene.good] * 80)
        worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.05")
        await scene.some_done(chains, 5)
        own_broker.kill()

        async def not_ready() -> bool:
            return not await worker.ready()

        await until("not ready", not_ready)
        await asyncio.to_thread(own_broker.start)
        outcomes = await scene.outcomes(chains)
        await scene.all_committed()
        await until("ready again", worker.ready)
        assert all(isinstance(event, OcrSucceeded) for one in outcomes.values() for event in one)


async def test_it_ends_in_time_while_the_broker_is_away(own_broker: Broker, tmp_path: Path) -> None:
    async with Scene(own_broker.bootstrap, tmp_path) as scene:
        chains = await scene.submit(*[scene.good] * 80)
        worker = await scene.ready(OCRSTREAM_NOOP_IMAGE_S="0.05")
        await scene.some_done(chains, 5)
        own_broker.kill()
        worker.process.send_signal(signal.SIGTERM)
        # Its own limit, and what a busy machine may add.
        async with asyncio.timeout(STOP_S + 20):
            await worker.process.wait()
        # For this test's own clients, which say goodbye to it.
        await asyncio.to_thread(own_broker.start)
