"""PDF and multi-frame TIFF become images; hostile ones get a clear answer and hurt nobody."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from documents import endless_tiff, pdf, tiff
from fake_publisher import FakePublisher
from PIL import Image
from starved import starved

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health
from ocrstream_sandbox.errors import ChildStarvedError, ChildUnavailableError
from ocrstream_schemas.fields import MAX_BATCH_IMAGES


@pytest.fixture
def settings(settings: IngestSettings) -> IngestSettings:
    return settings.model_copy(
        update={
            "max_upload_bytes": 15_000_000,
            "max_request_bytes": 16_000_000,
            "document_timeout_s": 20.0,
            "document_memory_bytes": 512 << 20,
        }
    )


def api_with(settings: IngestSettings, publisher: FakePublisher) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_api(create_dependencies(settings, publisher), Health()))
    return httpx.AsyncClient(transport=transport, base_url="http://ingest")


def path_of(reference: str) -> Path:
    return Path(unquote(urlsplit(reference).path))


def opened(reference: str) -> Image.Image:
    with Image.open(path_of(reference)) as image:
        image.load()
        return image


def read(reference: str) -> bytes:
    return path_of(reference).read_bytes()


async def upload(api: httpx.AsyncClient, *files: tuple[str, bytes], **form: str) -> httpx.Response:
    return await api.post(
        "/v1/images", files=[("files", file) for file in files], data=form, timeout=60
    )


async def test_each_page_is_an_image_that_knows_where_it_comes_from(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    answer = await upload(api, ("a.bin", pdf(2)), ("b.png", b"image"), ("c.tif", tiff(3)))
    assert answer.status_code == 202, answer.text
    told = [(image.source_name, image.page, image.index) for image in publisher.images]
    assert told == [
        ("a.bin", 1, 0),
        ("a.bin", 2, 1),
        ("b.png", None, 2),
        ("c.tif", 1, 3),
        ("c.tif", 2, 4),
        ("c.tif", 3, 5),
    ]
    assert answer.json()["total_images"] == publisher.batches[-1].total_images == 6
    assert [image["page"] for image in answer.json()["images"]] == [1, 2, None, 1, 2, 3]
    assert len({image.image_path for image in publisher.images}) == 6
    first, *_, last = publisher.images
    assert opened(first.image_path).size == (200, 200)
    assert opened(last.image_path).getpixel((0, 0)) == 12


async def test_pages_are_rendered_as_they_look(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    red_square = b"1 0 0 rg 0 36 36 36 re f"
    assert (await upload(api, ("a.pdf", pdf(1, content=red_square)))).status_code == 202
    page = opened(publisher.images[0].image_path)
    assert page.getpixel((50, 50)) == (255, 0, 0)
    assert page.getpixel((150, 150)) == (255, 255, 255)


async def test_a_tiff_of_one_frame_stays_as_it_is(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    content = tiff(1)
    assert (await upload(api, ("a.tiff", content))).status_code == 202
    (image,) = publisher.images
    assert image.page is None
    assert read(image.image_path) == content


async def test_pages_take_no_other_files_place(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    """A client that counts files, not pages, has its batch whole in the end."""
    form = {"batch_id": "b", "batch_total": "4"}
    documents = (("a.pdf", pdf(3)), ("b.png", b"one"))
    assert (await upload(api, *documents, first_index="0", **form)).status_code == 202
    more = (("c.pdf", pdf(3, content=b"0 g")), ("d.png", b"two"))
    assert (await upload(api, *more, first_index="2", **form)).status_code == 202
    assert [image.index for image in publisher.images] == [0, None, None, 1, 2, None, None, 3]
    assert len({image.chain_id for image in publisher.images}) == 8
    assert len({image.image_path for image in publisher.images}) == 8
    assert {batch.total_images for batch in publisher.batches} == {6}


async def test_images_do_not_go_beyond_the_greatest_index(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    files = (("a.png", b"one"), ("b.png", b"two"))
    answer = await upload(api, *files, batch_id="b", first_index=str(2**31 - 1))
    assert answer.status_code == 422
    assert "#/first_index" in answer.json()["detail"]
    assert (await upload(api, *files, batch_id="b", first_index=str(2**31 - 2))).status_code == 202
    assert [image.index for image in publisher.images] == [2**31 - 2, 2**31 - 1]


async def test_pages_do_not_raise_a_total_above_its_limit(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    for total, status in ((MAX_BATCH_IMAGES - 2, 202), (MAX_BATCH_IMAGES - 1, 422)):
        form = {"batch_id": "b", "batch_total": str(total)}
        answer = await upload(api, ("a.pdf", pdf(3)), first_index="0", **form)
        assert answer.status_code == status
    assert "#/batch_total: with the pages" in answer.json()["detail"]
    assert [batch.total_images for batch in publisher.batches] == [MAX_BATCH_IMAGES]


async def test_pages_take_places_of_their_own_if_the_client_goes_on_behind_them(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    form = {"batch_id": "b", "batch_total": "4", "index_pages": "true"}
    documents = (("a.pdf", pdf(3)), ("b.png", b"one"))
    answer = await upload(api, *documents, first_index="0", **form)
    assert answer.status_code == 202
    behind = str(max(image["index"] for image in answer.json()["images"]) + 1)
    more = (("c.pdf", pdf(3)), ("d.png", b"two"))
    assert (await upload(api, *more, first_index=behind, **form)).status_code == 202
    # A repeat takes no further places.
    assert (await upload(api, *more, first_index=behind, **form)).status_code == 202
    assert [image.index for image in publisher.images] == [*range(8), *range(4, 8)]
    assert len({image.chain_id for image in publisher.images}) == 8
    assert len({image.image_path for image in publisher.images}) == 8
    assert {batch.total_images for batch in publisher.batches} == {6}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (pdf(21), "21 pages"),
        (pdf(10_000), "10,000 pages"),
        (tiff(21), "more than the 20"),
        (pdf(0), "cannot be opened as PDF"),
        (pdf(1, size=(14_400, 14_400)), "OCRSTREAM_MAX_PAGE_PIXELS"),
        (tiff(2, size=(3000, 2000)), "OCRSTREAM_MAX_PAGE_PIXELS"),
        (b"%PDF-1.7\n" + b"garbage" * 100, "cannot be opened as PDF"),
        (b"II*\0" + b"\xff" * 100, "cannot be read as TIFF"),
        (b"MM\0*" + b"\0" * 3, "cannot be read as TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "document",
)
async def test_what_is_too_much_or_broken_is_refused_and_nothing_stays(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    content: bytes,
    why: str,
) -> None:
    answer = await upload(api, ("fine.png", b"fine"), ("hostile.bin", content))
    assert answer.status_code == 422, answer.text
    assert why in answer.json()["detail"]
    assert "hostile.bin" in answer.json()["detail"]
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/files/1"]
    assert not publisher.images
    assert not [path for path in settings.object_root.rglob("*") if path.is_file()]


async def test_the_documents_of_a_request_share_its_limits(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    answer = await upload(api, ("a.pdf", pdf(11)), ("b.pdf", pdf(10)))
    assert answer.status_code == 422
    assert "b.pdf: it has 10 pages, more than the 9" in answer.json()["detail"]
    answer = await upload(api, ("a.pdf", pdf(20)), ("b.tif", tiff(3)))
    assert answer.status_code == 422
    assert "b.tif: it has more than the 0" in answer.json()["detail"]
    assert not publisher.images


async def test_a_tiff_that_follows_itself_has_one_frame(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    assert (await upload(api, ("a.tif", endless_tiff()))).status_code == 202
    assert [image.page for image in publisher.images] == [None]


async def test_a_reader_that_gets_little_cpu_fails_no_upload(
    settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than its limit, in which it could hardly work."""
    settings = settings.model_copy(update={"document_timeout_s": 1.0})
    real = asyncio.create_subprocess_exec
    async with contextlib.AsyncExitStack() as stack:

        async def spawn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
            process = await real(*arguments, **options)
            stack.enter_context(starved(process.pid, share=0.02))
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
        begun = time.monotonic()
        async with api_with(settings, publisher := FakePublisher()) as api:
            answer = await upload(api, ("a.tif", tiff(2)))
    assert time.monotonic() - begun > settings.document_timeout_s
    assert answer.status_code == 202, answer.text
    assert [image.page for image in publisher.images] == [1, 2]


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (ChildStarvedError("it gave no result"), "Too little CPU"),
        (ChildUnavailableError("none", permanent=False), "No process for the document"),
    ],
)
async def test_what_is_no_fault_of_the_document_may_be_sent_again(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    title: str,
) -> None:
    async def run_job(*_: object) -> bytes:
        raise error

    monkeypatch.setattr("ocrstream_ingest.documents.run_job", run_job)
    answer = await upload(api, ("a.tif", tiff(2)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["title"] == title
    assert not publisher.images


async def test_a_zip_bomb_hurts_nobody_else(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    """A megabyte that inflates to a gigabyte, more than its reader may have."""
    bomb = pdf(2, compressed=1 << 30)
    assert len(bomb) < 2_000_000
    answer = await upload(api, ("bomb.pdf", bomb), ("fine.png", b"fine"))
    # pdfium gives the stream up, or its process ends; ingest goes on in any case.
    assert answer.status_code in {202, 422}, answer.text
    assert (await upload(api, ("a.png", b"fine"))).status_code == 202
    assert publisher.images[-1].source_name == "a.png"


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"document_timeout_s": 0.05}, "OCRSTREAM_DOCUMENT_TIMEOUT_S"),
        ({"document_memory_bytes": 32 << 20}, "OCRSTREAM_DOCUMENT_MEMORY_BYTES"),
        ({"max_document_bytes": 1000}, "OCRSTREAM_MAX_DOCUMENT_BYTES"),
    ],
)
async def test_limits_of_a_document_hold(
    settings: IngestSettings, change: dict[str, float], setting: str
) -> None:
    publisher = FakePublisher()
    async with api_with(settings.model_copy(update=change), publisher) as api:
        answer = await upload(api, ("a.pdf", pdf(20, size=(600, 600))))
    assert answer.status_code == 422, answer.text
    assert setting in answer.json()["detail"]
    assert not publisher.images
