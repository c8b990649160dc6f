"""GET /v1/pictures of what lies in a real S3 server."""

import asyncio
import io
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store
from odd_files import odd_files
from picture_api import picture_api, show
from PIL import Image

from ocrstream_local.processes import free_port
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores, parse_stores

pytestmark = pytest.mark.integration

MAX_BYTES = 100_000


def shown(folder: Path) -> ImageSource:
    """What may be shown: a folder, and one in each of two buckets, of which one is not there."""
    places = parse_stores("s3://scans/shown, s3://absent/shown")
    stores = AllowedStores(places, max_bytes=MAX_BYTES, retries=2)
    folders = AllowedFolders([folder], max_bytes=MAX_BYTES)
    return ImageSource(folders, stores, fetch_timeout_s=60)


@pytest.fixture
async def api(bucket: S3Store, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with picture_api(shown(tmp_path)) as client:
        yield client


def file(kind: str = "PNG", color: str = "white", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (300, 200), color).save(written, kind)
    return written.getvalue()


async def test_a_picture_and_a_small_one(api: httpx.AsyncClient, bucket: S3Store) -> None:
    content = file()
    obstore.put(bucket, "shown/a ä%20.png", content)
    answer = await show(api, "s3://scans/shown/a ä%20.png")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "image/png"
    small = await show(api, "s3://scans/shown/a ä%20.png", width=30)
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (30, 20)
    for one in (answer, small):
        assert one.headers["x-picture-width"] == "300"
        assert one.headers["x-picture-height"] == "200"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert "max-age" in one.headers["cache-control"]


async def test_what_no_browser_shows_is_made_into_what_all_do(
    api: httpx.AsyncClient, bucket: S3Store
) -> None:
    obstore.put(bucket, "shown/a.tif", file("TIFF", mode="L"))
    answer = await show(api, "s3://scans/shown/a.tif")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(answer.content)).size == (300, 200)


async def test_what_a_browser_has_is_not_sent_again(
    api: httpx.AsyncClient, bucket: S3Store
) -> None:
    obstore.put(bucket, "shown/b.png", file())
    tag = (await show(api, "s3://scans/shown/b.png", width=30)).headers["etag"]

    async def again() -> httpx.Response:
        asked = {"image_path": "s3://scans/shown/b.png", "width": 30}
        return await api.get("/v1/pictures", params=asked, headers={"if-none-match": tag})

    same = await again()
    assert (same.status_code, same.content) == (304, b"")
    obstore.put(bucket, "shown/b.png", file(color="black"))
    assert (await again()).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "reason", "says"),
    [
        ("s3://scans/shown/gone.png", 404, "not_found", "does not exist"),
        ("s3://absent/shown/a.png", 404, "not_found", "does not exist"),
        ("s3://scans/secret.png", 403, "refused", "OCRSTREAM_OBJECT_STORES"),
        ("s3://scans/shown-not/a.png", 403, "refused", "OCRSTREAM_OBJECT_STORES"),
        ("s3://scans/shown/../secret.png", 403, "refused", "'..'"),
        ("s3://scans/shown/%2e%2e/secret.png", 404, "not_found", "does not exist"),
        ("s3://scans/shown/", 403, "refused", "empty part"),
        ("s3://scans/shown", 403, "refused", "OCRSTREAM_OBJECT_STORES"),
        ("s3://scans/shown/large.png", 422, "too_large", "OCRSTREAM_MAX_IMAGE_BYTES"),
        ("s3://scans/shown/text.png", 422, "undecodable", "not an image"),
    ],
)
async def test_nothing_else_is_shown(  # noqa: PLR0917 - fixtures, then what is asked and told
    api: httpx.AsyncClient, bucket: S3Store, path: str, status: int, reason: str, says: str
) -> None:
    for key in ("secret.png", "shown-not/a.png"):
        obstore.put(bucket, key, file())
    obstore.put(bucket, "shown/large.png", bytes(MAX_BYTES + 1))
    obstore.put(bucket, "shown/text.png", b"<script>alert(1)</script>")
    answer = await show(api, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


async def test_a_store_that_is_away_is_asked_again_later(
    bucket: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    async with picture_api(shown(tmp_path)) as api:
        answer = await show(api, "s3://scans/shown/a.png")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unreachable")
    assert answer.headers["retry-after"]


async def test_a_store_that_hangs_holds_up_no_file(
    bucket: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(file())
    with odd_files() as hanging:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{hanging.port}")
        async with picture_api(shown(tmp_path)) as api, asyncio.TaskGroup() as group:
            waiting = [
                group.create_task(show(api, "s3://scans/shown/slow.png", width=20 + n))
                for n in range(9)
            ]
            while len(hanging.requests) < 4:  # noqa: ASYNC110 - a thread counts them
                await asyncio.sleep(0.01)
            answer = await show(api, (tmp_path / "a.png").as_uri())
            assert answer.status_code == 200
            assert not any(task.done() for task in waiting)
            hanging.released.set()
    assert {task.result().status_code for task in waiting} == {503}
