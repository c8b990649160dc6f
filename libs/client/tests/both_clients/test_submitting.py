"""What a client sends, and what it makes of troubles on the way."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_client import (
    ACCEPTED,
    scripted,
    settle,
)

from ocrstream_client import (
    NotSubmittableError,
    RefusedError,
    UnreachableError,
)


async def test_references_go_in_groups_with_their_places(kind: Any) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    advanced: list[int] = []
    references = [f"s3://bucket/{number}.png" for number in range(2500)]
    batch = await settle(submitter.submit(references, batch_name="n", on_progress=advanced.append))
    bodies = [json.loads(request.content) for request in asked]
    assert {body["batch_id"] for body in bodies} == {batch.batch_id}
    assert {(body["batch_total"], body["batch_name"]) for body in bodies} == {(2500, "n")}
    images = [image for body in bodies for image in body["images"]]
    assert [image["index"] for image in images] == list(range(2500))
    assert [image["image_path"] for image in images] == references
    assert advanced == [1000, 1000, 500]


async def test_files_go_in_groups_with_their_places(kind: Any, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.png").write_bytes(f"pixels of {number:02}".encode())
    last = httpx.Response(202, json={"images": [{} for _ in range(10)]})
    submitter, asked = scripted(kind, ACCEPTED, last)
    await settle(submitter.submit([tmp_path, "https://host/60.png"]))
    assert [request.url.path for request in asked] == ["/v1/images", "/v1/images", "/v1/batches"]
    first, second = (request.content for request in asked[:2])
    assert first.count(b"pixels of") == 50
    assert b'name="first_index"\r\n\r\n50\r\n' in second
    assert b'name="batch_total"\r\n\r\n61\r\n' in second
    assert b"pixels of 59" in second
    told = json.loads(asked[2].content)
    assert told["images"] == [{"image_path": "https://host/60.png", "index": 60}]


async def test_a_password_goes_with_uploads_alone(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-")
    uploaded = httpx.Response(202, json={"images": [{}]})
    submitter, asked = scripted(kind, uploaded, ACCEPTED)
    names = [tmp_path / "a.pdf", "https://host/b.png"]
    await settle(submitter.submit(names, pdf_password="s3cret"))
    assert b'name="pdf_password"\r\n\r\ns3cret\r\n' in asked[0].content
    assert b"s3cret" not in asked[1].content


@pytest.mark.parametrize(
    ("name", "prefix", "pattern"),
    [
        ("s3://bucket/scans/", "s3://bucket/scans/", "*"),
        ("s3://bucket/scans/*.png", "s3://bucket/scans/", "*.png"),
        ("s3://bucket/20??/05/*.png", "s3://bucket/", "20??/05/*.png"),
        ("file:///data/", "file:///data/", "*"),
    ],
)
async def test_what_a_store_holds_is_listed_by_the_service(
    kind: Any, name: str, prefix: str, pattern: str
) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    advanced: list[int] = []
    batch = await settle(
        submitter.submit(name, options={"lane": "urgent"}, on_progress=advanced.append)
    )
    assert json.loads(asked[0].content) == {
        "batch_id": batch.batch_id,
        "prefix": prefix,
        "glob": pattern,
        "options": {"lane": "urgent"},
    }
    assert advanced == [7]


@pytest.mark.parametrize(
    "names", [[], ["s3://b/a/", "s3://b/c.png"], "s3://*/a.png", "/no/such/file"]
)
async def test_what_cannot_be_submitted_is_refused_before_anything_is_sent(
    kind: Any, names: Any
) -> None:
    submitter, asked = scripted(kind, ACCEPTED)
    with pytest.raises(NotSubmittableError):
        await settle(submitter.submit(names))
    assert asked == []


async def test_pages_of_documents_count_in_places_and_total(kind: Any, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.pdf").write_bytes(b"pages")
    first = httpx.Response(202, json={"images": [{} for _ in range(53)]})
    last = httpx.Response(202, json={"images": [{} for _ in range(10)]})
    submitter, asked = scripted(kind, first, last)
    await settle(submitter.submit([tmp_path, "https://host/60.png"], options={"lane": "gpu"}))
    assert b'name="batch_total"\r\n\r\n61\r\n' in asked[0].content
    assert b'name="options"\r\n\r\n{"lane": "gpu"}\r\n' in asked[0].content
    assert b'name="index_pages"\r\n\r\ntrue\r\n' in asked[0].content
    assert b'name="first_index"\r\n\r\n53\r\n' in asked[1].content
    assert b'name="batch_total"\r\n\r\n64\r\n' in asked[1].content
    told = json.loads(asked[2].content)
    assert (told["batch_total"], told["images"][0]["index"]) == (64, 63)


async def test_what_is_away_for_a_moment_is_asked_again_under_the_same_key(
    kind: Any, paused: list[float]
) -> None:
    submitter, asked = scripted(
        kind,
        httpx.ConnectError("refused"),
        httpx.Response(503, headers={"Retry-After": "7"}),
        httpx.ReadTimeout("slow"),
        ACCEPTED,
    )
    await settle(submitter.submit("s3://b/a.png"))
    assert len(asked) == 4
    assert len({request.content for request in asked}) == 1
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
    assert paused == [1, 7, 4]
    await settle(submitter.submit("s3://b/a.png"))
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 2


async def test_an_upload_is_repeated_whole(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels" * 20_000)
    submitter, asked = scripted(kind, httpx.Response(503), ACCEPTED)
    await settle(submitter.submit(tmp_path))
    assert [request.content.count(b"pixels") for request in asked] == [20_000, 20_000]


async def test_what_stays_away_is_unreachable(kind: Any) -> None:
    submitter, asked = scripted(kind, httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError, match=r"http://ingest does not answer.*ocrstream doctor"):
        await settle(submitter.submit("s3://b/a.png"))
    assert len(asked) == 5


async def test_a_refusal_is_told_in_its_own_words_and_not_repeated(kind: Any) -> None:
    problem = {"title": "The request breaks its schema", "detail": "#/images/0: no URL"}
    submitter, asked = scripted(kind, httpx.Response(422, json=problem))
    with pytest.raises(RefusedError, match="breaks its schema: #/images/0: no URL") as refused:
        await settle(submitter.submit("s3://b/a.png"))
    assert refused.value.status == 422
    assert len(asked) == 1
