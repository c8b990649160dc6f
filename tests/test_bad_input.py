"""Bad input gets a clear error, harms nothing beside it, and is not lost."""

import json
import secrets
import urllib.request
from urllib.error import HTTPError

import pytest
from aiokafka import AIOKafkaConsumer
from whole_system import System

pytestmark = pytest.mark.integration


async def test_images_that_cannot_be_read_fail_with_their_reason(system: System) -> None:
    batch_id = secrets.token_hex(8)
    (system.folder / "words.png").write_text("these are no pixels")
    references = [
        system.image("good.png"),
        (system.folder / "missing.png").as_uri(),
        "file:///etc/hostname",
        (system.folder / "words.png").as_uri(),
        "ftp://somewhere/else.png",
    ]
    await system.send(
        *(
            (
                "images.submitted",
                None,
                {
                    "image_path": reference,
                    "batch_id": batch_id,
                    "index": index,
                    "batch_total": len(references),
                },
            )
            for index, reference in enumerate(references)
        )
    )
    batch = system.ended(batch_id)
    assert (batch["completed_images"], batch["failed_images"]) == (1, 4)
    assert batch["final_result"] == {
        "failed_by_reason": {"not_found": 1, "refused": 2, "undecodable": 1}
    }
    images = system.images(batch_id)
    assert [image["reason"] for image in images] == [
        None,
        "not_found",
        "refused",
        "undecodable",
        "refused",
    ]
    assert "does not exist" in images[1]["error"]
    assert "OCRSTREAM_IMAGE_ROOTS" in images[2]["error"]


async def test_what_is_no_event_is_kept_in_the_dead_letter_topic(system: System) -> None:
    batch_id, marker = secrets.token_hex(8), secrets.token_hex(8)
    garbage = b"\xff\x00 no JSON " + marker.encode()
    broken = json.dumps(
        {
            "image_path": system.image("broken.png"),
            "batch_id": batch_id,
            "index": 1,
            "run": "first",
            "note": marker,
        }
    ).encode()
    good = {"image_path": system.image("beside.png"), "batch_id": batch_id, "batch_total": 2}
    await system.send(
        ("images.submitted", b"same", garbage),
        ("images.submitted", b"same", broken),
        ("images.submitted", b"same", {**good, "index": 0}),
    )
    batch = system.ended(batch_id)
    assert (batch["completed_images"], batch["failed_images"]) == (1, 1)
    assert batch["final_result"] == {"failed_by_reason": {"dead_lettered": 1}}

    found: dict[bytes, dict[str, bytes]] = {}
    async with AIOKafkaConsumer(
        "images.submitted.dlq",
        bootstrap_servers=system.kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    ) as consumer:
        async for record in consumer:
            if record.value is not None and marker.encode() in record.value:
                assert record.key == b"same"
                found[record.value] = dict(record.headers)
            if len(found) == 2:
                break
    assert found.keys() == {garbage, broken}
    headers = found[broken]
    assert headers["ocrstream_reason"] == b"invalid"
    assert b"run" in headers["ocrstream_error"]
    assert headers["ocrstream_origin_topic"] == b"images.submitted"
    assert int(headers["ocrstream_origin_offset"]) >= 0


@pytest.mark.parametrize(
    ("service", "path", "body", "status"),
    [
        ("recorder", "/v1/batches/unheard-of", None, 404),
        ("recorder", "/v1/batches/unheard-of/images", None, 404),
        ("recorder", "/v1/images?image_path=file:///unheard-of.png", None, 404),
        ("recorder", "/v1/chains/unheard-of", None, 404),
        ("recorder", "/v1/images", None, 422),
        ("recorder", "/v1/tasks?limit=0", None, 422),
        ("recorder", "/v1/tasks?cursor=ha", None, 400),
        ("ingest", "/v1/batches", b"{", 422),
        ("ingest", "/v1/batches", b'{"images": []}', 422),
        ("ingest", "/v1/batches", b'{"images": [{"image_path": "no-url"}]}', 422),
    ],
)
def test_errors_are_problem_documents(
    system: System, service: str, path: str, body: bytes | None, status: int
) -> None:
    url = (system.recorder_url if service == "recorder" else system.ingest_url) + path
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310
    with refused.value as answer:
        assert answer.code == status
        assert answer.headers["content-type"] == "application/problem+json"
        document = json.load(answer)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
