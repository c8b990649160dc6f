"""Whoever can write to Kafka can use the system, however he goes about it."""

import random
import secrets
import shutil

import pytest
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_local import processes
from ocrstream_runtime.topics import ensure_topics

pytestmark = pytest.mark.integration

SUBMITTED = "images.submitted"


async def test_the_smallest_record_is_enough(system: System) -> None:
    image_path = system.image("smallest.png")
    await system.send((SUBMITTED, None, {"image_path": image_path}))
    image = eventually("its result", lambda: system.get("/v1/images", image_path=image_path))
    assert image["status"] == "success"
    assert len(image["text_boxes"]) == 30
    assert len(image["text_boxes"][0]["bbox"]) == 4
    chain = system.get(f"/v1/chains/{image['chain_id']}")
    assert chain is not None
    assert (chain["status"], chain["batch_id"]) == ("SUCCESS", None)
    assert [task["status"] for task in chain["tasks"]] == ["SUCCESS"]


async def test_a_batch_may_be_announced_after_its_images(system: System) -> None:
    batch_id = secrets.token_hex(8)
    await system.send(
        *(
            (
                SUBMITTED,
                None,
                {
                    "image_path": system.image(f"late/{index}.png"),
                    "batch_id": batch_id,
                    "index": index,
                },
            )
            for index in range(12)
        )
    )

    def all_read() -> dict[str, object] | None:
        batch = system.get(f"/v1/batches/{batch_id}")
        return batch if batch and batch["completed_images"] == 12 else None

    open_batch = eventually("all images read", all_read)
    assert (open_batch["status"], open_batch["progress"]) == ("RUNNING", 0)
    await system.send(
        (
            "batches.commands",
            None,
            {
                "type": "BatchSubmitted",
                "batch_id": batch_id,
                "batch_name": "late",
                "total_images": 12,
            },
        )
    )
    batch = system.ended(batch_id)
    assert (batch["status"], batch["batch_name"], batch["progress"]) == ("SUCCESS", "late", 100)
    assert (batch["total_chunks"], batch["completed_chunks"], batch["revision"]) == (2, 2, 1)


async def test_every_event_twice_and_shuffled_changes_nothing(system: System) -> None:
    batch_id = secrets.token_hex(8)
    records: list[tuple[str, bytes | None, object]] = [
        (
            "batches.commands",
            None,
            {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": 20},
        )
    ]
    for index in range(20):
        chain = {"chain_id": f"{batch_id}-{index}", "batch_id": batch_id, "index": index}
        task = {**chain, "task_id": f"{batch_id}-{index}-layout", "task_name": "layout"}
        image_path = system.image(f"twice/{index}.png")
        records += [
            (SUBMITTED, None, {**chain, "image_path": image_path, "total_tasks": 2}),
            ("tasks.lifecycle", None, {"type": "TaskSubmitted", **task}),
            ("tasks.lifecycle", None, {"type": "TaskStarted", **task}),
            (
                "tasks.lifecycle",
                None,
                {"type": "TaskFailed", **task, "error": "no layout"}
                if index % 5 == 0
                else {"type": "TaskSucceeded", **task},
            ),
        ]
    records += records
    random.Random(7).shuffle(records)  # noqa: S311 - for no secret
    await system.send(*records)
    batch = system.ended(batch_id)
    assert batch["status"] == "FAILURE"
    counted = [batch[f"{outcome}_images"] for outcome in ("seen", "completed", "failed")]
    assert counted == [20, 16, 4]

    # The worker was given every image twice; the second results change nothing.
    def outcomes() -> list[str] | None:
        chains = [system.get(f"/v1/chains/{batch_id}-{index}") for index in range(20)]
        tasks = [task for chain in chains if chain for task in chain["tasks"]]
        done = [task["status"] for task in tasks if task["status"] in {"SUCCESS", "FAILURE"}]
        return done if len(done) == 40 else None

    done = eventually("all 40 tasks", outcomes)
    assert (done.count("SUCCESS"), done.count("FAILURE")) == (36, 4)
    images = system.images(batch_id)
    assert [image["index"] for image in images] == list(range(20))
    assert [image["status"] for image in images[:5]] == ["FAILURE", *["SUCCESS"] * 4]


async def test_after_kafkas_data_is_lost_what_is_submitted_next_is_recorded(
    own_broker: Broker, bare_system: System
) -> None:
    system = bare_system
    system.kafka = own_broker.bootstrap
    for name in ("recorder", "worker-1"):
        system.start(name)
    before, after = system.image("before.png"), system.image("after.png")
    await system.send((SUBMITTED, None, {"image_path": before}))
    eventually("the first result", lambda: system.get("/v1/images", image_path=before))

    system.stop()
    processes.stop([own_broker.process], 20)
    shutil.rmtree(own_broker.server.folder / "data")
    own_broker.start()
    await ensure_topics(own_broker.bootstrap)
    for name in ("recorder", "worker-1"):
        system.start(name)
    await system.send((SUBMITTED, None, {"image_path": after}))
    eventually("the next result", lambda: system.get("/v1/images", image_path=after))
    assert system.get("/v1/images", image_path=before) is not None
