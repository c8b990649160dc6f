"""Dead letters from outside: counted, shown, redriven, dropped; and a topic that does not drain."""

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PROGRAM = str(Path(sys.executable).with_name("ocrstream"))


def dlq(system: System, *arguments: str, code: int = 0) -> str:
    ran = subprocess.run(
        [PROGRAM, "dlq", *arguments],
        env={**os.environ, **system.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout if code == 0 else ran.stdout + ran.stderr


def listed(system: System, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dlq(system, "list", "--json", *arguments).splitlines()]


def counts(batch: dict[str, Any]) -> dict[str, int]:
    kinds = ("total", "seen", "completed", "failed", "revoked")
    return {kind: batch[f"{kind}_images"] for kind in kinds}


async def test_a_redrive_counts_right(system: System) -> None:
    batch_id = secrets.token_hex(8)
    reference = system.image("redriven.png")
    told = {"image_path": reference, "batch_id": batch_id, "batch_total": 2}
    bad = {**told, "index": -1, "chain_id": f"{batch_id}-1"}
    good = {**told, "image_path": system.image("fine.png"), "index": 0}
    await system.send(("images.submitted", b"key", bad), ("images.submitted", None, good))
    before = system.ended(batch_id)
    assert counts(before) == {"total": 2, "seen": 2, "completed": 1, "failed": 1, "revoked": 0}
    chain = system.get(f"/v1/chains/{batch_id}-1")
    assert chain is not None
    assert (chain["status"], chain["reason"]) == ("FAILURE", "dead_lettered")

    (letter,) = listed(system, "--batch", batch_id)
    assert (letter["topic"], letter["reason"], letter["state"]) == (
        *("images.submitted", "invalid"),
        "open",
    )
    assert letter["chain_id"] == f"{batch_id}-1"
    shown = json.loads(dlq(system, "show", str(letter["id"]), "--json"))
    assert json.loads(shown["value"]["text"]) == bad
    assert shown["key"] == {"text": "key", "base64": None}
    headers = {one["name"]: one["value"]["text"] for one in shown["headers"]}
    assert headers["ocrstream_origin_offset"] == str(letter["offset"])
    assert "index" in dlq(system, "show", str(letter["id"]))

    still_bad = json.dumps({**told, "index": -2})
    said = dlq(system, "redrive", str(letter["id"]), "--value", still_bad, code=1)
    assert "is no event of images.submitted" in said
    other = json.dumps({**told, "index": 1, "chain_id": "another"})
    assert "another" in dlq(system, "redrive", str(letter["id"]), "--value", other, code=1)

    corrected = json.dumps({**told, "index": 1})
    assert "1 of 1" in dlq(system, "redrive", str(letter["id"]), "--value", corrected)

    def look() -> dict[str, Any] | None:
        batch = system.get(f"/v1/batches/{batch_id}")
        return batch if batch and batch["completed_images"] == 2 else None

    after = eventually("the redrive's success", look)
    assert counts(after) == {"total": 2, "seen": 2, "completed": 2, "failed": 0, "revoked": 0}
    assert after["status"] == "SUCCESS"
    chain = system.get(f"/v1/chains/{batch_id}-1")
    assert chain is not None
    assert (chain["status"], chain["reason"]) == ("SUCCESS", None)
    assert listed(system, "--batch", batch_id) == []
    assert len(listed(system, "--batch", batch_id, "--state", "redriven")) == 1
    # Asked for again, nothing is sent again.
    assert "1 of 1" in dlq(system, "redrive", str(letter["id"]))
    assert counts(after) == counts(system.ended(batch_id))


async def test_many_are_dropped_or_redriven_by_what_they_have_in_common(system: System) -> None:
    batch_id = secrets.token_hex(8)
    records = [{"batch_id": batch_id, "type": "OcrSucceeded", "n": n} for n in range(3)]
    await system.send(*(("ocr.results", None, one) for one in records))
    found = eventually("dead letters", lambda: _if_any(listed(system, "--batch", batch_id), 3))
    assert [one["offset"] for one in found]
    assert "add --yes" in dlq(system, "redrive", "--batch", batch_id, code=2)
    assert "3 of 3" in dlq(system, "redrive", "--batch", batch_id, "--yes")
    # They are as bad as before: the same dead letters are open again, none is there twice.
    again = eventually("open again", lambda: _if_any(listed(system, "--batch", batch_id), 3))
    assert {one["id"] for one in again} == {one["id"] for one in found}
    assert {one["redrives"] for one in again} == {1}
    done = json.loads(dlq(system, "drop", "--batch", batch_id, "--yes", "--json"))
    assert done == {"dropped": 3, "failures": []}
    assert listed(system, "--batch", batch_id) == []
    assert "no such dead letter" in dlq(system, "drop", "999999999", code=1)


def _if_any(found: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]] | None:
    return found if len(found) == wanted else None


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "999999999"),
        ("redrive",),
        ("redrive", "1", "--topic", "ocr.results"),
        ("redrive", "1", "2", "--value", "{}"),
        ("redrive", "1", "--value", "{"),
        ("drop", "--topic", "nonsense"),
        ("list", "--reason", "nonsense"),
    ],
)
def test_wrong_usage_exits_with_2(system: System, arguments: tuple[str, ...]) -> None:
    dlq(system, *arguments, code=2)


@pytest.mark.parametrize(
    ("path", "content_type", "body", "status"),
    [
        ("redrive", "application/json", '{"ids": []}', 422),
        ("redrive", "application/json", '{"ids": [1, 2], "value": {}}', 422),
        ("redrive", "application/json", '{"id": 1}', 422),
        # What a page of another site may send without asking the browser first.
        ("redrive", "text/plain", '{"ids": [1]}', 422),
        ("drop", "text/plain", '{"ids": [1]}', 422),
    ],
)
def test_what_is_asked_wrongly_changes_nothing(
    system: System, path: str, content_type: str, body: str, status: int
) -> None:
    answer = httpx.post(
        f"{system.recorder_url}/v1/dead-letters/{path}",
        content=body,
        headers={"content-type": content_type},
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def metric(system: System, series: str) -> float:
    with urllib.request.urlopen(f"{system.recording_url}/metrics", timeout=10) as answer:  # noqa: S310
        for line in answer.read().decode().splitlines():
            if line.startswith(f"{series} "):
                return float(line.rpartition(" ")[2])
    raise AssertionError(series)


THROTTLED = 'ocrstream_recorder_partitions_throttled{topic="ocr.results"}'


async def test_a_topic_does_not_drain_and_goes_on_by_itself(own_system: System) -> None:
    system, batch_id, garbage = own_system, secrets.token_hex(8), 400
    system.start("recorder", OCRSTREAM_DEAD_LETTER_LIMIT="5")
    await system.send(*(("ocr.results", b"one", b"garbage") for _ in range(garbage)))
    eventually("the alarm", lambda: metric(system, THROTTLED) == 1 or None)

    def troubles() -> dict[str, str]:
        return httpx.get(f"{system.recording_url}/readyz", timeout=10).json()["troubles"]

    told = eventually("readiness", lambda: troubles().get("dead_letters"))
    assert "1 partitions of ocr.results are throttled" in told
    assert "OCRSTREAM_DEAD_LETTER_LIMIT" in told
    # Others go on.
    announced = {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": 0}
    await system.send(("batches.commands", None, announced))
    assert system.ended(batch_id)["status"] == "SUCCESS"

    def dead() -> int:
        with psycopg.connect(system.database) as connection:
            row = connection.execute("SELECT count(*) FROM recorder_dead_letters").fetchone()
        assert row is not None
        return row[0]

    # Other tests' dead letters are few; of a broker that is shared they are read, too.
    before = dead()
    assert 5 <= before < 40
    system.stop()
    system.start("recorder", wait=False, OCRSTREAM_DEAD_LETTER_LIMIT="5")
    eventually(
        "the alarm again", lambda: (_answers(system) and metric(system, THROTTLED) == 1) or None
    )
    assert dead() < before + 20
    system.stop()
    # Let through on purpose.
    system.start("recorder", OCRSTREAM_DEAD_LETTER_LIMIT="100000")
    eventually("the rest", lambda: dead() >= garbage or None)
    assert metric(system, THROTTLED) == 0


def _answers(system: System) -> bool:
    try:
        return httpx.get(f"{system.recording_url}/livez", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_table_that_is_away_is_waited_for(bare_system: System) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    system.start("recorder")
    with psycopg.connect(system.database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch_executions RENAME TO elsewhere")
        announced = {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": 0}
        await system.send(("batches.commands", None, announced))

        def told() -> str | None:
            answer = httpx.get(f"{system.recording_url}/readyz", timeout=10)
            return answer.json()["troubles"].get("writing")

        assert "42P01" in eventually("readiness", told)
        assert metric(system, 'ocrstream_recorder_retrying{work="write"}') == 1
        connection.execute("ALTER TABLE elsewhere RENAME TO batch_executions")
    assert system.ended(batch_id)["status"] == "SUCCESS"
    eventually("ready again", lambda: True if told() is None else None)
