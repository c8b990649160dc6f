"""PDF and multi-frame TIFF become images; hostile ones get a clear answer and hurt nobody."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from documents import (
    annotated_pdf,
    annotation_box,
    encrypted_pdf,
    endless_tiff,
    jbig2_pdf,
    pdf,
    tiff,
)
from fake_publisher import FakePublisher
from PIL import Image
from starved import starved

from ocrstream_imaging import reduced_resolution
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


_WIDGET = b"/Subtype /Widget "
_TICK = b"/Subtype /Widget /FT /Btn /V /Yes /AS /Yes /F 4 "
_BLACK = b"/AP << /N 6 0 R >> "
_BLACK_OR_EMPTY = b"/AP << /N << /Yes 6 0 R /Off 7 0 R >> >> "


@pytest.mark.parametrize(
    "annotation",
    [
        _WIDGET + b"/FT /Tx /T (a) /V (4711) /F 4 " + _BLACK,
        _WIDGET + b"/FT /Tx /T (a) /V (4711) /F 4",
        _WIDGET + b"/FT /Tx /T (a) /V (4711)",
        _WIDGET + b"/FT /Tx /Ff 1 /T (a) /V (4711) /F 4",
        _WIDGET + b"/FT /Ch /Ff 131072 /T (a) /Opt [(one) (two)] /V (two) /F 4",
        _TICK + _BLACK_OR_EMPTY + b"/T (a)",
        _TICK + b"/T (a) /MK << /CA (4) >> /DA (/ZaDb 12 Tf 0 g)",
        _TICK + _BLACK_OR_EMPTY + b"/Ff 49152 /T (a)",
        _WIDGET + b"/FT /Sig /T (a) /F 4 " + _BLACK,
        b"/Subtype /Stamp /F 4 " + _BLACK,
        b"/Subtype /FreeText /F 4 /Contents (4711) /DA (/Helv 12 Tf 0 g)",
    ],
    ids=[
        *("text", "text without appearance", "text without flags", "read-only text", "choice"),
        *("check box", "check box without appearance", "radio button", "signature", "stamp"),
        "free text without appearance",
    ],
)
async def test_what_is_filled_in_or_added_to_a_page_is_on_its_image(
    api: httpx.AsyncClient, publisher: FakePublisher, annotation: bytes
) -> None:
    assert (await upload(api, ("form.pdf", annotated_pdf(annotation)))).status_code == 202
    assert _darkest(publisher, 0) < 64


@pytest.mark.parametrize(
    "annotation",
    [
        _WIDGET + b"/FT /Tx /T (a) /V (4711) /F 6 " + _BLACK,
        _WIDGET + b"/FT /Tx /T (a) /V (4711) /F 2",
        _WIDGET + b"/FT /Btn /T (a) /V /Off /AS /Off /F 4 " + _BLACK_OR_EMPTY,
        _WIDGET + b"/FT /Tx /T (a) /F 4",
        b"/Subtype /Stamp /F 6 " + _BLACK,
        b"/Subtype /Stamp /F 0 " + _BLACK,
        b"/Subtype /Popup /F 4 /Open true /Contents (4711)",
    ],
    ids=[
        *("hidden text", "hidden text without appearance", "unticked box", "empty field"),
        *("hidden stamp", "stamp on the screen only", "popup"),
    ],
)
async def test_what_nobody_sees_on_a_printed_page_is_not_on_its_image(
    api: httpx.AsyncClient, publisher: FakePublisher, annotation: bytes
) -> None:
    visible = b"/Subtype /Stamp /F 4 " + _BLACK
    content = annotated_pdf(visible, annotation)
    assert (await upload(api, ("form.pdf", content))).status_code == 202
    assert _darkest(publisher, 0) == 0
    assert _darkest(publisher, 1) == 255


def _darkest(publisher: FakePublisher, annotation: int) -> int:
    """The darkest level in the box of an annotation of the only page."""
    (image,) = publisher.images
    page = opened(image.image_path).convert("L")
    darkest, _ = page.crop(annotation_box(annotation, dpi=200)).getextrema()
    return int(darkest)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("size", "dpi"), [((72, 72), 200), ((2384, 3370), 50)], ids=["small", "poster"]
)
async def test_a_poster_is_rendered_at_a_lower_resolution_and_says_so(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    size: tuple[float, float],
    dpi: int,
) -> None:
    assert (await upload(api, ("poster.pdf", pdf(1, size=size)))).status_code == 202
    page = opened(publisher.images[0].image_path)
    assert page.width * page.height <= settings.max_page_pixels
    assert page.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
    expected = None if dpi == settings.document_dpi else (dpi, settings.document_dpi)
    assert reduced_resolution(page) == expected


async def test_an_image_in_jbig2_is_rendered(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    image = Image.new("1", (64, 64), 1)
    image.paste(0, (0, 0, 32, 64))
    assert (await upload(api, ("scan.pdf", jbig2_pdf(image)))).status_code == 202
    page = opened(publisher.images[0].image_path).convert("L")
    assert (page.getpixel((50, 100)), page.getpixel((150, 100))) == (0, 255)


async def test_a_password_opens_a_pdf_and_is_stored_nowhere(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    password = "s3cret-ä"
    files = (("a.pdf", encrypted_pdf(password)), ("b.pdf", pdf(1)))
    answer = await upload(api, *files, pdf_password=password, batch_name="b")
    assert answer.status_code == 202, answer.text
    first, second = (opened(image.image_path) for image in publisher.images)
    assert (first.getpixel((100, 100)), second.getpixel((100, 100))) == (
        (0, 0, 0),
        (255, 255, 255),
    )
    everything = [path.read_bytes() for path in settings.object_root.rglob("*") if path.is_file()]
    everything += [repr((publisher.images, publisher.batches, answer.text)).encode()]
    everything += ["".join(capfd.readouterr()).encode()]
    assert not [content for content in everything if b"s3cret" in content]


async def test_a_wrong_password_is_named_without_being_shown(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    files = (("a.pdf", encrypted_pdf("right")), ("b.png", b"image"))
    answer = await upload(api, *files, pdf_password="wr0ng")
    assert "the password in the form field pdf_password does not open it" in answer.text
    assert "wr0ng" not in answer.text


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
        (pdf(21), "too_large: 21 pages"),
        (pdf(10_000), "too_large: 10,000 pages"),
        (tiff(21), "too_large: more than the 20"),
        (pdf(0), "undecodable: cannot be opened as PDF: it has no pages"),
        (pdf(1, size=(14_400, 14_400)), "too_large: OCRSTREAM_MAX_PAGE_PIXELS"),
        (pdf(1, size=(900_000, 900_000)), "too_large: even at 36 dpi"),
        (encrypted_pdf("geheim"), "undecodable: in the form field pdf_password"),
        (tiff(2, size=(3000, 2000)), "too_large: OCRSTREAM_MAX_PAGE_PIXELS"),
        (b"%PDF-1.7\n" + b"garbage" * 100, "undecodable: cannot be opened as PDF"),
        (b"II*\0" + b"\xff" * 100, "undecodable: cannot be read as TIFF"),
        (b"MM\0*" + b"\0" * 3, "undecodable: cannot be read as TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "document",
)
async def test_a_document_that_is_too_much_or_broken_fails_alone_and_leaves_no_file(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    content: bytes,
    why: str,
) -> None:
    files = (("fine.png", b"fine"), ("hostile.bin", content), ("two.pdf", pdf(2)))
    answer = await upload(api, *files)
    assert answer.status_code == 202, answer.text
    fine, hostile, *pages = publisher.images
    reason, _, part = why.partition(": ")
    assert hostile.refused is not None
    assert hostile.refused.reason == reason
    assert part in hostile.refused.error
    assert (hostile.source_name, hostile.index, hostile.page) == ("hostile.bin", 1, None)
    assert hostile.image_path.startswith(f"refused:///{answer.json()['batch_id']}/1-")
    assert answer.json()["images"][1]["refused"] == {
        "reason": reason,
        "error": hostile.refused.error,
    }
    assert [(image.index, image.page) for image in pages] == [(2, 1), (3, 2)]
    assert answer.json()["total_images"] == publisher.batches[-1].total_images == 4
    assert {image.refused for image in (fine, *pages)} == {None}
    left = {path for path in settings.object_root.rglob("*") if path.is_file()}
    assert left == {path_of(image.image_path) for image in (fine, *pages)}


async def test_refused_files_without_an_index_are_images_of_their_own(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    """A repeat is the same images; an equal file beside the other is another."""
    broken = (("a.pdf", b"%PDF-a"), ("b.pdf", b"%PDF-b"), ("again.pdf", b"%PDF-a"))
    for _ in range(2):
        assert (await upload(api, *broken, batch_id="b")).status_code == 202
    assert all(image.refused and image.index is None for image in publisher.images)
    assert len({image.chain_id for image in publisher.images}) == 3
    assert publisher.images[0].chain_id == publisher.images[3].chain_id


async def test_the_documents_of_a_request_share_its_limits(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    """A document that only its neighbours leave no room is not refused, but the request is."""
    answer = await upload(api, ("a.pdf", pdf(11)), ("b.pdf", pdf(10)))
    assert answer.status_code == 413
    assert "b.pdf: it has 10 pages, more than the 9" in answer.json()["detail"]
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/files/1"]
    answer = await upload(api, ("a.pdf", pdf(20)), ("b.tif", tiff(3)))
    assert answer.status_code == 413
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
    assert answer.status_code == 202, answer.text
    assert (await upload(api, ("a.png", b"fine"))).status_code == 202
    assert publisher.images[-1].source_name == "a.png"


@pytest.mark.parametrize(
    ("change", "reason", "setting"),
    [
        ({"document_timeout_s": 0.05}, "timeout", "OCRSTREAM_DOCUMENT_TIMEOUT_S"),
        ({"document_memory_bytes": 32 << 20}, "undecodable", "OCRSTREAM_DOCUMENT_MEMORY_BYTES"),
        ({"max_document_bytes": 1000}, "too_large", "OCRSTREAM_MAX_DOCUMENT_BYTES"),
    ],
)
async def test_limits_of_a_document_hold(
    settings: IngestSettings, change: dict[str, float], reason: str, setting: str
) -> None:
    publisher = FakePublisher()
    async with api_with(settings.model_copy(update=change), publisher) as api:
        answer = await upload(api, ("a.pdf", pdf(20, size=(600, 600))))
    assert answer.status_code == 202, answer.text
    (image,) = publisher.images
    assert image.refused is not None
    assert image.refused.reason == reason
    assert setting in image.refused.error
