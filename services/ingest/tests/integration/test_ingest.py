"""Ingest as a process on a real broker."""

import json
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_runtime.kafka import RawRecord

pytestmark = pytest.mark.integration


@pytest.fixture
async def system(own_broker: Broker, tmp_path: Path) -> AsyncGenerator[System]:
    system = System(tmp_path, own_broker.bootstrap, "")
    system.start("ingest", OCRSTREAM_PUBLISH_TIMEOUT_S="2")
    yield system
    system.stop()


async def test_what_is_accepted_stands_on_the_topics(system: System) -> None:
    batch_id = secrets.token_hex(8)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with httpx.AsyncClient(base_url=system.ingest_url) as client:
        answer = await client.post(
            "/v1/batches",
            json={
                "batch_id": batch_id,
                "batch_total": 500,
                "images": [
                    {"image_path": f"file:///{i}.png", "index": i, "options": {"n": i}}
                    for i in range(500)
                ],
            },
            headers={"traceparent": trace},
        )
    assert answer.status_code == 202, answer.text
    async with AIOKafkaConsumer(
        "images.submitted",
        "batches.commands",
        bootstrap_servers=system.kafka,
        auto_offset_reset="earliest",
    ) as consumer:
        records: list[RawRecord] = []
        while len(records) < 501:
            found = await consumer.getmany(timeout_ms=10_000)
            assert found, f"{len(records)} records only"
            records += [record for batch in found.values() for record in batch]
    commands = [record for record in records if record.topic == "batches.commands"]
    images = [record for record in records if record.topic == "images.submitted"]
    assert [record.key for record in commands] == [batch_id.encode()]
    assert json.loads(commands[0].value or b"")["total_images"] == 500
    values = [json.loads(record.value or b"") for record in images]
    assert sorted(value["index"] for value in values) == list(range(500))
    for record, value in zip(images, values, strict=True):
        headers = dict(record.headers)
        assert record.key == value["chain_id"].encode()
        assert value["options"] == {"n": value["index"]}
        assert headers["ce_type"] == b"ImageSubmitted"
        assert headers["ce_source"] == b"/ocrstream/ingest"
    assert len({record.partition for record in images}) > 12
    assert trace_ids(commands) == {trace.split("-")[1]}
    assert len(trace_ids(images)) == 500


def trace_ids(records: list[RawRecord]) -> set[str]:
    return {dict(record.headers)["traceparent"].decode().split("-")[1] for record in records}


async def test_without_a_broker_it_says_so_in_time_and_recovers(
    system: System, own_broker: Broker
) -> None:
    body = {"batch_id": "b", "images": [{"image_path": "file:///a.png", "index": 0}]}
    own_broker.kill()
    async with httpx.AsyncClient(base_url=system.ingest_url, timeout=30) as client:
        refused = await client.post("/v1/batches", json=body)
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert refused.json()["batch_id"] == "b"
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
    own_broker.start()

    def accepted() -> bool | None:
        answer = httpx.post(system.ingest_url + "/v1/batches", json=body, timeout=30)
        return True if answer.status_code == 202 else None

    eventually("acceptance", accepted)
    async with httpx.AsyncClient(base_url=system.ingest_url) as client:
        assert (await client.get("/readyz")).status_code == 200


def post(url: str, **request: Any) -> httpx.Response:
    return httpx.post(url, timeout=30, **request)


async def test_what_waits_for_the_workers_is_measured_and_limited(
    own_broker: Broker, tmp_path: Path
) -> None:
    system = System(tmp_path, own_broker.bootstrap, "")
    system.start("ingest", OCRSTREAM_MAX_QUEUED_IMAGES="10", OCRSTREAM_WORKER_GROUP_ID="readers")
    lines = b"".join(b'{"image_path": "s3://b/%d.png"}\n' % number for number in range(3000))
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "k"}
    url = system.ingest_url + "/v1/batches"
    body = {"images": [{"image_path": "s3://b/a.png"}]}
    try:
        first = post(url, content=lines, headers=headers)
        assert first.status_code == 202, first.text

        def refused() -> httpx.Response | None:
            answer = post(url, json=body)
            return answer if answer.status_code == 503 else None

        answer = eventually("refusal", refused)
        assert answer.headers["retry-after"]
        assert "images.submitted" in answer.json()["detail"]
        # What was accepted is, whatever waits; and other lanes are free.
        again = post(url, content=lines, headers=headers)
        assert (again.status_code, again.content) == (202, first.content)
        urgent = post(url, json={**body, "options": {"lane": "urgent"}})
        assert urgent.status_code == 202, urgent.text

        async with AIOKafkaConsumer(
            "images.submitted",
            bootstrap_servers=system.kafka,
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer:
            read = 0
            while read < 3000:
                found = await consumer.getmany(timeout_ms=10_000)
                assert found
                read += sum(len(records) for records in found.values())
            await consumer.commit()

        def accepted() -> httpx.Response | None:
            answer = post(url, json=body)
            return answer if answer.status_code == 202 else None

        eventually("acceptance", accepted)
    finally:
        system.stop()
