"""Services die in the middle; every image is counted once, whatever happens."""

import secrets

import pytest
from whole_system import System, eventually

from ocrstream_local import processes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

IMAGES = 150


async def submit(system: System, batch_id: str) -> None:
    await system.send(
        *(
            (
                "images.submitted",
                None,
                {
                    "image_path": system.image(f"{index}.png"),
                    "batch_id": batch_id,
                    "index": index,
                    "batch_total": IMAGES,
                },
            )
            for index in range(IMAGES)
        )
    )


def some_done(system: System, batch_id: str, at_least: int) -> None:
    def look() -> bool | None:
        batch = system.get(f"/v1/batches/{batch_id}")
        return True if batch and batch["completed_images"] >= at_least else None

    eventually(f"{at_least} images", look)


def check(system: System, batch_id: str) -> None:
    batch = system.ended(batch_id)
    assert (batch["status"], batch["completed_images"]) == ("SUCCESS", IMAGES)
    assert (batch["failed_images"], batch["seen_images"]) == (0, IMAGES)
    assert (batch["completed_chunks"], batch["total_chunks"]) == (15, 15)
    images = system.images(batch_id)
    assert [image["index"] for image in images] == list(range(IMAGES))
    image = system.get("/v1/images", image_path=images[0]["image_path"])
    assert image is not None
    assert len(image["text_boxes"]) == 30


@pytest.mark.parametrize("victim", ["worker-1", "recorder"])
async def test_killed_in_the_middle(bare_system: System, victim: str) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    system.start("recorder", wait=False)
    system.start("worker-1", wait=False, OCRSTREAM_NOOP_IMAGE_S="0.02")
    system.wait("recorder")
    system.wait("worker-1")
    await submit(system, batch_id)
    some_done(system, batch_id, 5)
    processes.kill(system.processes[victim])
    # A second member takes over what the dead one held once its session has expired.
    again = "worker-2" if victim == "worker-1" else victim
    system.start(again)
    check(system, batch_id)


async def test_stopped_in_the_middle(bare_system: System) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    for name in ("recorder", "worker-1"):
        system.start(name, wait=False, OCRSTREAM_NOOP_IMAGE_S="0.02")
    system.wait("recorder")
    system.wait("worker-1")
    await submit(system, batch_id)
    some_done(system, batch_id, 5)
    processes.stop(system.processes.values(), 30)
    for name in ("recorder", "worker-2"):
        system.start(name)
    check(system, batch_id)


async def test_one_of_two_workers_is_killed_again_and_again(bare_system: System) -> None:
    system, batch_id, kills = bare_system, secrets.token_hex(8), 5
    settings = {"OCRSTREAM_NOOP_IMAGE_S": "0.05"}
    for name in ("recorder", "worker-0", "worker-1"):
        system.start(name, wait=False, **settings)
    for name in ("recorder", "worker-0", "worker-1"):
        system.wait(name)
    await submit(system, batch_id)
    for number in range(kills):
        some_done(system, batch_id, (number + 1) * IMAGES // (kills + 2))
        processes.kill(system.processes[f"worker-{number}"])
        system.start(f"worker-{number + 2}", wait=False, **settings)
    check(system, batch_id)
