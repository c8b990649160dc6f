"""A cheap engine first, a better one where it pays; both results are there, whatever dies."""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image, ImageDraw, ImageFont
from whole_system import System, eventually

from ocrstream_local import processes
from ocrstream_schemas.topics import OCR_RESULTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


def run(system: System, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **system.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def drawn(system: System, name: str, text: str) -> str:
    picture = Image.new("RGB", (640, 160), "white")
    ImageDraw.Draw(picture).text((30, 40), text, "black", font=ImageFont.load_default(64))
    path = system.folder / name
    picture.save(path)
    return str(path)


def test_what_a_cheap_engine_read_is_read_again_by_a_better_one(bare_system: System) -> None:
    system = bare_system
    for name in ("recorder", "ingest", "worker-1"):
        system.start(name, wait=False)
    # Its own group, as on a machine of its own.
    system.start(
        "worker-2",
        wait=False,
        OCRSTREAM_ENGINE="rapidocr",
        OCRSTREAM_LANES="gpu",
        OCRSTREAM_GROUP_ID=f"better-{system.group}",
    )
    for name in system.processes:
        system.wait(name)
    words = ["Invoice", "Receipt"]
    names = [drawn(system, f"{word}.png", word) for word in words]
    submitted = run(system, "submit", *names, "--wait", "--json")
    assert submitted.returncode == 0, submitted.stderr
    batch_id = json.loads(submitted.stdout)["batch_id"]
    revision = system.ended(batch_id)["revision"]

    where = ("--where", "boxes = 30 and lane != gpu")
    dry = run(system, "reprocess", batch_id, *where, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "2 images with 60 boxes would be reprocessed\n")
    assert "0 reprocessed images" in run(system, "diff", batch_id).stderr
    ran = run(system, "reprocess", batch_id, *where, "--lane", "gpu", "--follow", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["images"], told["boxes"], told["read_images"]) == (2, 60, 2)
    batch = system.ended(batch_id)
    assert (batch["status"], batch["completed_images"]) == ("SUCCESS", 2)
    assert batch["revision"] > revision

    shown = run(system, "diff", batch_id)
    assert shown.returncode == 0, shown.stderr
    assert "Invoice.png: 0 % alike, confidence 1.000 -> confidence " in shown.stdout
    assert "- line 30\n+ Invoice\nReceipt.png: " in shown.stdout
    assert (
        "2 reprocessed images: 2 with another text, 0 failed, 0 not reprocessed yet" in shown.stderr
    )
    lines = run(system, "diff", batch_id, "--json").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["new"]["text"] for row in rows] == words
    assert rows[0]["old"]["text"].startswith("line 1\nline 2\n")
    assert [row["index"] for row in rows] == [0, 1]
    one = run(system, "diff", "--image", rows[1]["image_path"], "--json")
    assert json.loads(one.stdout) == rows[1]
    # What the better one has read is not chosen any more.
    again = run(system, "reprocess", batch_id, *where, "--dry-run", "--json")
    assert json.loads(again.stdout) == {"images": 0, "boxes": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reprocess", "unheard-of"], "unheard-of"),
        (["reprocess"], "Give a BATCH, or else --all"),
        (["reprocess", "b", "--all"], "Give a BATCH, or else --all"),
        (["reprocess", "--all", "--where", "confidence < high"], "at character 14:"),
        (["reprocess", "--all", "--lane", "fast"], "lane must be one of default, urgent, gpu"),
        (["diff"], "Give a BATCH, or else --image"),
        (["diff", "unheard-of"], "unheard-of"),
    ],
)
def test_wrong_usage_exits_with_2(system: System, arguments: list[str], said: str) -> None:
    ran = run(system, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


IMAGES = 2_500
BOX = {"text": "old", "confidence": 0.5, "bbox": [[0, 0], [1, 0], [1, 1], [0, 1]]}


def result(batch_id: str, index: int) -> Any:
    return {
        "type": "OcrSucceeded",
        "chain_id": f"{batch_id}-{index}",
        "batch_id": batch_id,
        "index": index,
        "image_path": f"file:///{batch_id}/{index}.png",
        "boxes": [BOX],
    }


def post(system: System, path: str, **body: Any) -> Any:
    request = urllib.request.Request(  # noqa: S310
        system.recorder_url + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


async def test_recorders_that_are_killed_send_each_image_as_one_run(own_system: System) -> None:
    system, batch_id = own_system, secrets.token_hex(4)
    system.start("recorder")
    system.start("ingest")
    await system.send(*((OCR_RESULTS, None, result(batch_id, index)) for index in range(IMAGES)))

    def recorded() -> bool | None:
        batch = system.get(f"/v1/batches/{batch_id}")
        return True if batch and batch["completed_images"] == IMAGES else None

    eventually("all results", recorded)
    unasked = run(system, "reprocess", batch_id)
    assert unasked.returncode == 2
    assert "2,500" in unasked.stderr
    request_id = f"request-{batch_id}"
    asked: dict[str, Any] = {"batch_id": batch_id, "where": "confidence < 0.8"}
    for _ in range(2):
        post(system, "/v1/reprocessings", request_id=request_id, lane="gpu", **asked)
    seed = secrets.randbits(32)
    print("seed", seed)
    chance = random.Random(seed)  # noqa: S311
    kills = 0
    while True:
        told = system.get(f"/v1/reprocessings/{request_id}")
        assert told is not None
        if told["state"] == "sent":
            break
        await asyncio.sleep(chance.uniform(0, 0.2))
        if kills < 6:
            processes.kill(system.processes["recorder"])
            system.start("recorder")
            kills += 1
    assert kills
    assert (told["images"], told["boxes"]) == (IMAGES, IMAGES)
    with psycopg.connect(system.database, autocommit=True) as connection:

        def all_folded() -> bool | None:
            [(runs,)] = connection.execute(
                "SELECT count(*) FROM chain_executions WHERE run = 2 AND status = 'PENDING'"
            ).fetchall()
            return True if runs == IMAGES else None

        eventually("all of them submitted", all_folded)
        kept = connection.execute(
            "SELECT image_path, count(*), min(boxes::text)::json FROM recorder_result_versions"
            " GROUP BY image_path"
        ).fetchall()
    assert len(kept) == IMAGES
    assert all((count, boxes) == (1, [BOX]) for _, count, boxes in kept)
    copies = Counter(await system.read("images.submitted.gpu"))
    events = [json.loads(value) for value in copies]
    assert len(events) == IMAGES
    assert {event["run"] for event in events} == {2}
    assert {event["index"] for event in events} == set(range(IMAGES))
