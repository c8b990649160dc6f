"""Exports from a real database through the API, as their readers have them."""

import asyncio
import contextlib
import io
import json
import socket
import zipfile
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psycopg
import pypdfium2
import pytest
import uvicorn
from alto_schema import alto_errors
from PIL import Image
from write_poll import write_poll

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.api.exports import PAGE_IMAGES
from ocrstream_recorder.api.queries import AnyQuery, Snapshot
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.export.streams import MAX_EXPORTS
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_runtime.health import Health
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.events import (
    AnyEvent,
    BatchSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    TextBox,
)

pytestmark = pytest.mark.integration

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ZONE = DatabaseZone("UTC")
BATCH = "a/b ?#%계"
"""An id that holds what has a meaning in URLs and file names."""

Record = Callable[..., None]


def batch_url(batch_id: str = BATCH) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}/export"


def line(text: str, top: float = 10, left: float = 10) -> TextBox:
    corners = ((left, top), (left + 200, top), (left + 200, top + 30), (left, top + 30))
    return TextBox(text=text, confidence=0.75, bbox=corners)


def outcome(index: int, path: str, *boxes: TextBox, **told: Any) -> AnyEvent:
    """An image that was read, or was not, without boxes."""
    known: dict[str, Any] = {
        "chain_id": f"chain-{index}",
        "image_path": path,
        "batch_id": BATCH,
        "index": index,
        "task_id": f"task-{told.get('batch_id', '')}-{index}",
        "submitted_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        **told,
    }
    if boxes:
        return OcrSucceeded(**known, boxes=boxes)
    return OcrFailed(**known, reason=Reason.NOT_FOUND, error="it is gone")


@pytest.fixture
def record(database_url: str) -> Record:
    def write(*events: AnyEvent) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            changes = PollChanges(changes_of(one, ZONE.to_local) for one in events)
            write_poll(connection, changes, ZONE)

    return write


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[ReadDatabase]:
    database = ReadDatabase(database_url, connections=2, timeout_s=5)
    yield database
    await database.close()


@pytest.fixture
def app(database: ReadDatabase, tmp_path: Path) -> Any:
    folders = AllowedFolders([tmp_path], max_bytes=1 << 24)
    source = ImageSource(folders, AllowedStores((), max_bytes=0), fetch_timeout_s=60)
    return create_api(
        database, ZONE, Health(), DeadLetterRecords(ServiceSettings()), image_source=source
    )


@pytest.fixture
async def api(app: Any) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
        yield client


@pytest.fixture
def small(record: Record, tmp_path: Path) -> None:
    """A document of two pages, an image that failed, and one of words."""
    paths = [(tmp_path / f"{number}.png") for number in range(4)]
    for path in paths:
        Image.new("RGB", (400, 300), "white").save(path)
    record(
        BatchSubmitted(batch_id=BATCH, total_images=4, batch_name="Büro: März", submitted_at=NOON),
        outcome(1, paths[1].as_uri(), line("Seite zwei"), source_name="x/doc.pdf", page=2),
        outcome(0, paths[0].as_uri(), line("안녕하세요"), source_name="x/doc.pdf", page=1),
        outcome(2, paths[2].as_uri(), source_name="../=evil.png"),
        outcome(
            3,
            paths[3].as_uri(),
            line("two", left=10),
            line("words", left=220),
            options={"boxes": "word"},
            source_name="../=evil.png",
        ),
    )


async def exported(api: httpx.AsyncClient, kind: str, **more: Any) -> httpx.Response:
    answer = await api.get(batch_url(), params={"format": kind, **more})
    assert answer.status_code == 200, answer.text
    return answer


async def test_every_format_has_all_images_in_order(api: httpx.AsyncClient, small: None) -> None:
    rows = [json.loads(row) for row in (await exported(api, "jsonl")).text.splitlines()]
    assert [(row["index"], row["page"], row["reason"]) for row in rows] == [
        *((0, 1, None), (1, 2, None), (2, None, "not_found"), (3, None, None))
    ]
    assert rows[0]["text_boxes"] == [
        {
            "text": "안녕하세요",
            "confidence": 0.75,
            "bbox": [[10, 10], [210, 10], [210, 40], [10, 40]],
        }
    ]
    assert (await exported(api, "csv")).text.count("\r\n") == 1 + 5
    assert (await exported(api, "txt")).text == (
        "==> doc.pdf, page 1 <==\n안녕하세요\n\n==> doc.pdf, page 2 <==\nSeite zwei\n\n"
        "==> =evil.png <==\n[not read: not_found: it is gone]\n\n==> =evil.png <==\ntwo words\n"
    )
    assert "\n## doc.pdf, page 2\n\nSeite zwei\n" in (await exported(api, "md")).text
    assert (await exported(api, "hocr")).text.count('class="ocr_page"') == 4
    alto = await exported(api, "alto")
    assert not alto_errors(alto.content)
    assert alto.content.count(b"<SP/>") == 1
    document = pypdfium2.PdfDocument((await exported(api, "pdf")).content)
    assert len(document) == 4
    assert document[0].get_textpage().get_text_bounded() == "안녕하세요"
    assert document[0].get_size() == (pytest.approx(144), pytest.approx(108))


async def test_lines_tell_what_read_them_and_every_format_is_in_reading_order(
    api: httpx.AsyncClient, record: Record
) -> None:
    boxes = (line("below", top=90), line("above", top=10))
    by = Provenance(engine="e", width=400, height=300)
    ordered = msgspec.structs.replace(by, ordered=True)
    record(
        BatchSubmitted(batch_id=BATCH, total_images=2, submitted_at=NOON),
        outcome(0, "file:///0.png", *boxes, provenance=by),
        outcome(1, "file:///1.png", *boxes, provenance=ordered, attempt=2),
        outcome(2, "file:///2.png", *boxes),
    )
    rows = [json.loads(row) for row in (await exported(api, "jsonl")).text.splitlines()]
    told = {"engine": "e", "width": 400, "height": 300}
    assert [row["provenance"] for row in rows] == [
        {**told, "attempt": 1},
        {**told, "ordered": True, "attempt": 2},
        None,
    ]
    stored, read = ["below", "above"], ["above", "below"]
    texts = [[box["text"] for box in row["text_boxes"]] for row in rows]
    assert texts == [read, stored, read]
    one = {"image_path": "file:///0.png", "format": "hocr"}
    page = (await api.get("/v1/images/export", params=one)).text
    assert "bbox 0 0 400 300" in page
    assert page.index("above") < page.index("below")
    pages = pypdfium2.PdfDocument((await exported(api, "pdf")).content)
    assert pages[0].get_size() == (pytest.approx(144), pytest.approx(108))
    assert pages[2].get_size() != pages[0].get_size()


async def test_answers_say_what_they_are(api: httpx.AsyncClient, small: None) -> None:
    answer = await exported(api, "hocr")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"B_ro_ M_rz.hocr\"; filename*=UTF-8''B%C3%BCro_%20M%C3%A4rz.hocr"
    )
    assert (await exported(api, "zip")).headers["content-type"] == "application/zip"
    nobody = {"image_path": "file:///nobody.png"}
    for url, asked, status in (
        (batch_url("nobody's"), {"format": "txt"}, 404),
        ("/v1/images/export", {**nobody, "format": "txt"}, 404),
        ("/v1/images/export", {**nobody, "format": "zip"}, 422),
        (batch_url(), {"format": "docx"}, 422),
        (batch_url(), {"format": "zip", "files": "csv"}, 422),
    ):
        refused = await api.get(url, params=asked)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"


async def test_one_image(api: httpx.AsyncClient, small: None, tmp_path: Path) -> None:
    ask = {"image_path": (tmp_path / "3.png").as_uri(), "format": "txt"}
    answer = await api.get("/v1/images/export", params=ask)
    assert answer.text == "two words\n"
    assert 'filename="=evil.png.txt"' in answer.headers["content-disposition"]
    failed = {**ask, "image_path": (tmp_path / "2.png").as_uri()}
    assert "it is gone" in (await api.get("/v1/images/export", params=failed)).text


async def test_a_zip_has_a_file_for_each_image_and_document(
    api: httpx.AsyncClient, small: None
) -> None:
    answer = await exported(api, "zip", files=["pdf", "txt", "pdf"])
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    names = ["000001 doc.pdf", "000003 =evil.png", "000004 =evil.png"]
    assert archive.namelist() == [
        *(f"pdf/{name}.pdf" for name in names),
        *(f"txt/{name}.txt" for name in names),
        "manifest.jsonl",
        "batch.json",
    ]
    assert len(pypdfium2.PdfDocument(archive.read(f"pdf/{names[0]}.pdf"))) == 2
    assert archive.read(f"txt/{names[2]}.txt") == b"two words\n"
    manifest = [json.loads(row) for row in archive.read("manifest.jsonl").splitlines()]
    assert [row["files"]["txt"] for row in manifest] == [
        f"txt/{names[place]}.txt" for place in (0, 0, 1, 2)
    ]
    assert [row["error"] for row in manifest] == [None, None, "it is gone", None]
    batch = json.loads(archive.read("batch.json"))
    assert (batch["batch_id"], batch["total_images"]) == (BATCH, 4)
    assert batch["revision"] == batch["revision_before"] == 1


async def test_a_path_that_holds_another_result_is_not_left_out_in_silence(
    api: httpx.AsyncClient, record: Record
) -> None:
    path = "file:///same.png"
    record(outcome(0, path, line("first")))
    later = {"batch_id": "other", "chain_id": "later", "submitted_at": NOON.replace(hour=13)}
    record(outcome(5, path, **later))
    (row,) = [json.loads(row) for row in (await exported(api, "jsonl")).text.splitlines()]
    assert (row["status"], row["reason"], row["text_boxes"]) == ("SUCCESS", "superseded", [])
    assert "'later'" in row["error"]


def many(count: int) -> list[AnyEvent]:
    boxes = tuple(line(f"line {number}", 40 * number) for number in range(30))
    return [outcome(number, f"file:///{number}.png", *boxes) for number in range(count)]


async def test_a_batch_of_many_pages_of_rows(api: httpx.AsyncClient, record: Record) -> None:
    count = 2 * PAGE_IMAGES + 1
    record(*many(count))
    rows = (await exported(api, "jsonl")).text.splitlines()
    assert [json.loads(row)["index"] for row in rows] == list(range(count))


@pytest.fixture
async def address(app: Any) -> AsyncGenerator[str]:
    """The app behind a real server: what a client sees of a stream that breaks."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "md", "hocr", "alto", "pdf", "zip"])
async def test_a_database_that_fails_in_the_middle_breaks_the_answer(  # noqa: PLR0917 - fixtures
    address: str,
    app: Any,
    record: Record,
    postgres_url: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(*many(3 * PAGE_IMAGES))
    pages = 0
    really_read = Snapshot.rows

    async def fail_later(snapshot: Snapshot, query: AnyQuery, parameters: Any = None) -> Any:
        nonlocal pages
        pages += b"FROM ocr_text_boxes" in query.chosen_by(parameters or {}).sql
        if pages == 3:
            session = snapshot._connection  # pyright: ignore[reportPrivateUsage]
            number = session.info.backend_pid
            with psycopg.connect(postgres_url.rpartition("/")[0] + "/postgres") as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))
        return await really_read(snapshot, query, parameters)

    monkeypatch.setattr(Snapshot, "rows", fail_later)
    got = b""

    async def read() -> None:
        nonlocal got
        async with (
            httpx.AsyncClient(base_url=address, timeout=30) as client,
            client.stream("GET", batch_url(), params={"format": kind}) as answer,
        ):
            assert answer.status_code == 200
            async for piece in answer.aiter_bytes():
                got += piece

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await read()
    assert pages == 3
    for end in (b"</html>", b"</alto>", b"%%EOF", b"batch.json"):
        assert end not in got
    # Its place is free again.
    assert app.state.exports.streams.running == 0


async def test_exports_that_nobody_reads_hold_no_connection_and_give_way_when_left(
    address: str, app: Any, record: Record
) -> None:
    record(*many(1500))
    hocr = {"format": "hocr"}
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        async with contextlib.AsyncExitStack() as streams:
            for _ in range(MAX_EXPORTS):
                stream = client.stream("GET", batch_url(), params=hocr)
                assert (await streams.enter_async_context(stream)).status_code == 200
            # There are two connections, fewer than exports.
            assert (await client.get("/v1/chains/nobody")).status_code == 404
            assert app.state.exports.streams.running == MAX_EXPORTS
            refused = await client.get(batch_url(), params=hocr)
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
        async with asyncio.timeout(30):
            while app.state.exports.streams.running:  # noqa: ASYNC110 - what ends it has no event
                await asyncio.sleep(0.01)
        whole = await client.get(batch_url(), params=hocr)
        assert whole.text.count('class="ocr_page"') == 1500
        assert whole.text.endswith("</html>\n")
