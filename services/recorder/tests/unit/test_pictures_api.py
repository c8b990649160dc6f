"""GET /v1/pictures: what is shown of which paths, and how browsers are to take it."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from picture_api import picture_api, show
from PIL import Image

from ocrstream_recorder.api import pictures as pictures_api
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores

POLYGLOT = b"<script>alert(1)</script>"


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A folder whose images may be shown, beside one whose may not."""
    folder = tmp_path / "allowed"
    folder.mkdir()
    for place in (folder / "a.png", folder / "scan 계.jpg", tmp_path / "secret.png"):
        Image.new("RGB", (300, 200), "white").save(place)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "out").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.png")
    (folder / "text.png").write_bytes(POLYGLOT)
    (folder / "large.png").write_bytes(b"\0" * 100_001)
    return folder


@pytest.fixture
async def api(allowed: Path) -> AsyncGenerator[httpx.AsyncClient]:
    folders = AllowedFolders([allowed], max_bytes=100_000)
    stores = AllowedStores((), max_bytes=100_000)
    async with picture_api(ImageSource(folders, stores, fetch_timeout_s=60)) as client:
        yield client


async def test_a_picture_and_the_size_that_its_boxes_are_in(
    api: httpx.AsyncClient, allowed: Path
) -> None:
    file = allowed / "a.png"
    answer = await show(api, file.as_uri())
    assert answer.status_code == 200
    assert answer.content == file.read_bytes()
    assert answer.headers["content-type"] == "image/png"
    small = await show(api, file.as_uri(), width=30)
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (30, 20)
    for one in (answer, small):
        assert one.headers["x-picture-width"] == "300"
        assert one.headers["x-picture-height"] == "200"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert one.headers["cross-origin-resource-policy"] == "same-origin"


async def test_it_is_called_as_its_file(api: httpx.AsyncClient, allowed: Path) -> None:
    answer = await show(api, (allowed / "scan 계.jpg").as_uri())
    name = answer.headers["content-disposition"]
    assert name == "inline; filename=\"scan _.jpg\"; filename*=UTF-8''scan%20%EA%B3%84.jpg"


async def test_what_a_browser_has_is_not_sent_again(api: httpx.AsyncClient, allowed: Path) -> None:
    file = allowed / "a.png"
    tags = [
        (await show(api, file.as_uri(), **more)).headers["etag"]
        for more in ({}, {"width": 30}, {"width": 31})
    ]
    assert len(set(tags)) == 3

    async def again(tag: str) -> httpx.Response:
        asked = {"image_path": file.as_uri(), "width": 30}
        return await api.get("/v1/pictures", params=asked, headers={"if-none-match": tag})

    same = await again(tags[1])
    assert (same.status_code, same.content) == (304, b"")
    assert "max-age" in same.headers["cache-control"]
    assert (await again(tags[0])).status_code == 200
    Image.new("RGB", (300, 200), "black").save(file)
    assert (await again(tags[1])).status_code == 200


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("gone.png", 404, "not_found"),
        ("../secret.png", 403, "refused"),
        ("%2e%2e/secret.png", 403, "refused"),
        ("%2E%2E%2Fsecret.png", 403, "refused"),
        ("link.png", 403, "refused"),
        ("out/secret.png", 403, "refused"),
        ("out/allowed/../secret.png", 403, "refused"),
        ("../allowed-not/a.png", 403, "refused"),
        ("", 403, "refused"),
        ("pipe.png", 403, "refused"),
        ("a.png?x", 403, "refused"),
        ("a.png#x", 403, "refused"),
        ("a.png%00", 403, "refused"),
        ("a.png%252e", 404, "not_found"),
        ("large.png", 422, "too_large"),
        ("text.png", 422, "undecodable"),
    ],
)
async def test_nothing_else_is_shown(
    api: httpx.AsyncClient, allowed: Path, name: str, status: int, reason: str
) -> None:
    answer = await show(api, f"{allowed.as_uri()}/{name}")
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "https://example.org/a.png",
        "HTTP://127.0.0.1/a.png",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
    ],
)
async def test_nothing_is_fetched_from_elsewhere(api: httpx.AsyncClient, path: str) -> None:
    answer = await show(api, path)
    assert (answer.status_code, answer.json()["reason"]) == (409, "elsewhere")
    assert "does not read" in answer.json()["detail"]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
async def test_no_store_is_shown_unless_it_is_allowed(api: httpx.AsyncClient, scheme: str) -> None:
    answer = await show(api, f"{scheme}://scans/a.png")
    assert (answer.status_code, answer.json()["reason"]) == (403, "refused")
    assert "OCRSTREAM_OBJECT_STORES" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["file://host/etc/passwd", "file:etc/passwd", "file://"])
async def test_files_of_other_hosts_and_places_are_not_read(
    api: httpx.AsyncClient, path: str
) -> None:
    assert (await show(api, path)).status_code == 403


@pytest.mark.parametrize(
    "parameters",
    [{}, {"image_path": ""}, {"image_path": "file:///a\0"}, {"image_path": "x" * 256}]
    + [{"image_path": "file:///a", "width": width} for width in (15, 4097, "x", "1e3")],
)
async def test_requests_that_break_the_schema(
    api: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    assert (await api.get("/v1/pictures", params=parameters)).status_code == 422


async def test_what_is_an_image_with_more_behind_it_is_shown_as_nothing_else(
    api: httpx.AsyncClient, allowed: Path
) -> None:
    file = allowed / "page.html"
    Image.new("RGB", (9, 9)).save(file, "PNG")
    file.write_bytes(file.read_bytes() + POLYGLOT)
    answer = await show(api, file.as_uri())
    assert answer.headers["content-type"] == "image/png"
    assert "page.png" in answer.headers["content-disposition"]


async def test_more_than_can_wait_is_told_to_come_again(
    api: httpx.AsyncClient, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures_api, "_MAX_WAITING", 3)
    path = (allowed / "a.png").as_uri()
    answers = await asyncio.gather(*(show(api, path, width=20 + n) for n in range(9)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 3
    assert statuses.count(429) == 6
    assert (await show(api, path)).status_code == 200
