"""Batches of what is beneath a prefix: folders here, S3 from a server in this process."""

from collections.abc import Generator
from pathlib import Path

import boto3
import httpx
import pytest
from fake_publisher import FakePublisher
from moto.server import ThreadedMotoServer

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    for name in ("b.png", "a.png", "a.txt", "sub/c.png", "sub/ü x.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "folder").symlink_to(outside)
    return folder


async def test_a_folder_is_a_batch_in_the_order_of_its_names(
    api: httpx.AsyncClient, publisher: FakePublisher, scans: Path
) -> None:
    answer = await api.post("/v1/batches", json={"prefix": scans.as_uri() + "/", "glob": "*.png"})
    assert answer.status_code == 202, answer.text
    found = [image.image_path for image in publisher.images]
    names = ("a.png", "b.png", "sub/c.png", "sub/ü x.png")
    assert found == [(scans / name).as_uri() for name in names]
    assert [image.index for image in publisher.images] == [0, 1, 2, 3]
    assert [batch.total_images for batch in publisher.batches] == [None, 4]


@pytest.mark.parametrize(
    "prefix",
    [
        "file:///etc/",
        "file:///",
        "file://host/etc",
        "{scans}/../outside/",
        "{scans}/%2e%2e/outside/",
        "{scans}/folder/",
        "{scans}/missing/",
        "{scans}/a.png",
        "{scans}/%00",
        "{scans}?x",
        "file:",
        "s3://other/",
        "s3://scans-other/",
        "s3://scans/../other/",
        "s3://scans/%2e%2e/other/",
        "http://127.0.0.1:1/",
        "memory:///",
    ],
)
async def test_nothing_else_is_listed(
    settings: IngestSettings, publisher: FakePublisher, scans: Path, prefix: str
) -> None:
    allowing = settings.model_copy(update={"listed_stores": "s3://scans"})
    transport = httpx.ASGITransport(create_api(create_dependencies(allowing, publisher), Health()))
    body = {"prefix": prefix.replace("{scans}", scans.as_uri())}
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as api:
        answer = await api.post("/v1/batches", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "#/prefix"
    assert "secret" not in answer.text
    assert not publisher.images


async def test_a_path_that_is_too_long_fails_alone(
    api: httpx.AsyncClient, publisher: FakePublisher, scans: Path
) -> None:
    beside = await api.post("/v1/batches", json={"prefix": scans.as_uri()})
    publisher.images.clear()
    for letter in "mn":
        (scans / (letter * 250)).write_bytes(b"")
    answer = await api.post("/v1/batches", json={"prefix": scans.as_uri()})
    assert answer.status_code == 202, answer.text
    assert answer.json()["total_images"] == beside.json()["total_images"] + 2
    refused = [image for image in publisher.images if image.refused]
    assert [str(image.source_name)[-250:] for image in refused] == ["m" * 250, "n" * 250]
    assert {image.refused.reason for image in refused if image.refused} == {"refused"}
    assert len({image.chain_id for image in publisher.images}) == answer.json()["total_images"]


async def test_nothing_found_is_said(
    api: httpx.AsyncClient, publisher: FakePublisher, scans: Path
) -> None:
    answer = await api.post("/v1/batches", json={"prefix": scans.as_uri(), "glob": "*.jp2"})
    assert answer.status_code == 422
    assert "*.jp2" in answer.json()["detail"]
    assert not publisher.batches


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A bucket with more objects than one answer of S3 lists."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        for name, content in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": url,
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, content)
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket="scans")
        for name in [f"may/{number:04}.png" for number in range(1100)] + [
            "may/a.txt",
            "june/a.png",
        ]:
            client.put_object(Bucket="scans", Key=name, Body=b"")
        client.close()
        yield url
    finally:
        server.stop()


async def test_a_prefix_of_s3_is_a_batch(
    settings: IngestSettings, publisher: FakePublisher, s3: str
) -> None:
    allowing = settings.model_copy(update={"listed_stores": "s3://scans/"})
    transport = httpx.ASGITransport(create_api(create_dependencies(allowing, publisher), Health()))
    body = {"prefix": "s3://scans/may/", "glob": "*.png"}
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as api:
        answer = await api.post("/v1/batches", json=body)
    assert answer.status_code == 202, answer.text
    expected = [f"s3://scans/may/{number:04}.png" for number in range(1100)]
    assert [image.image_path for image in publisher.images] == expected
    assert publisher.batches[-1].total_images == 1100
    assert s3
