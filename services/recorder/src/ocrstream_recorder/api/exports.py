"""The paths of exports: stored rows in other formats, streamed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Receive, Scope, Send

from ocrstream_recorder.api.batch_models import Batch
from ocrstream_recorder.api.dispositions import disposition
from ocrstream_recorder.api.export_rows import ExportRows
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.export.archive import Archive, safe_name
from ocrstream_recorder.export.formats import Format, open_writer
from ocrstream_recorder.export.model import ExportImage, Heading, Writer
from ocrstream_recorder.export.pictures import Pictures
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_runtime.problems import Problem

logger = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["export"])

EXPORTS_AT_ONCE = 4
_PIECE_BYTES = 64 * 1024

AllImages = Callable[[], AsyncIterator[Sequence[ExportImage]]]


class BatchFormat(StrEnum):
    """What a batch can be exported as."""

    JSONL = Format.JSONL
    CSV = Format.CSV
    TXT = Format.TXT
    MD = Format.MD
    HOCR = Format.HOCR
    ALTO = Format.ALTO
    PDF = Format.PDF
    ZIP = "zip"


class FileFormat(StrEnum):
    """What the files of a ZIP can be."""

    TXT = Format.TXT
    MD = Format.MD
    HOCR = Format.HOCR
    ALTO = Format.ALTO
    PDF = Format.PDF


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The export. It is streamed: one that breaks off has no proper end",
        "content": {one.media_type: {} for one in Format},
    },
    404: {"description": "Nothing is known of it (yet)"},
    429: {"description": "Too many exports at once"},
}
_BATCH_RESPONSES = {
    **_RESPONSES,
    200: {
        **_RESPONSES[200],
        "content": {**_RESPONSES[200]["content"], "application/zip": {}},
    },
}


class Exports:
    """Carries out exports, some at once, so that the rest of the API has its connections.

    Rows are made into bytes on threads of its own: that is work, and what images are read from may
    hang.
    """

    def __init__(
        self, engine: AsyncEngine, zone: DatabaseZone, source: ImageSource, pool: PicturePool
    ) -> None:
        self.rows = ExportRows(engine, zone)
        self.pictures = Pictures(source, pool)
        self.running = 0
        self._threads = ThreadPoolExecutor(EXPORTS_AT_ONCE, "export")

    async def start(
        self, writers: Sequence[Writer], heading: Heading, images: AllImages
    ) -> AsyncGenerator[bytes]:
        """The export's pieces, once the first of its images have been read.

        What fails before raises here, and can still be answered. To be closed.
        """
        if self.running >= EXPORTS_AT_ONCE:
            raise Problem(
                429,
                "Too many exports at once",
                f"{EXPORTS_AT_ONCE} are under way; try again when one has ended",
                headers={"Retry-After": "5"},
            )
        pieces = self._pieces(writers, heading, images)
        # The first piece is empty and comes after the first page of rows.
        await anext(pieces)
        return pieces

    async def _pieces(
        self, writers: Sequence[Writer], heading: Heading, images: AllImages
    ) -> AsyncGenerator[bytes]:
        self.running += 1
        try:
            async with aclosing(self._of_all(writers, heading, images)) as parts:
                async for part in parts:
                    yield part
        except Exception as error:
            logger.error("export broken off", of=heading.title, error=repr(error))
            raise
        finally:
            self.running -= 1

    async def _of_all(
        self, writers: Sequence[Writer], heading: Heading, images: AllImages
    ) -> AsyncGenerator[bytes]:
        started = False
        for writer in writers:
            begun = False
            async for some in images():
                if not started:
                    started = True
                    yield b""
                if not begun:
                    begun = True
                    async for piece in self._on_threads(writer.begin(heading)):
                        yield piece
                made = (piece for image in some for piece in writer.add(image))
                async for piece in self._on_threads(made):
                    yield piece
            async for piece in self._on_threads(writer.end()):
                yield piece

    async def _on_threads(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        joined = _joined(pieces)
        while piece := await loop.run_in_executor(self._threads, next, joined, b""):
            yield piece


class _ExportResponse(StreamingResponse):
    """Ends the export when the response ends, in whatever way."""

    def __init__(self, pieces: AsyncGenerator[bytes], media_type: str, filename: str) -> None:
        super().__init__(
            pieces,
            headers={
                # Not by `media_type`: it would add a charset to what has none.
                "Content-Type": media_type,
                "Content-Disposition": disposition("attachment", filename),
                "X-Content-Type-Options": "nosniff",
            },
        )
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            await super().__call__(scope, receive, send)


@router.get(
    "/batches/{batch_id:segment}/export",
    response_class=StreamingResponse,
    responses=_BATCH_RESPONSES,
)
async def export_batch(
    request: Request,
    batch_id: Key,
    kind: Annotated[BatchFormat, Query(alias="format", description="What to make of it")],
    files: Annotated[
        list[FileFormat], Query(description="Of a ZIP: the formats of its files, a folder each")
    ] = [FileFormat.TXT, FileFormat.HOCR, FileFormat.ALTO],  # noqa: B006 - never changed
) -> StreamingResponse:
    """A batch's images in their order, with their text or why they have none.

    A document of the formats has all images; a ZIP has a file for each image, or for the pages of a
    document together, and a manifest. An image and its boxes are of one moment; a batch that goes
    on is exported as it is when its images' turn comes.
    """
    exports: Exports = request.app.state.exports
    batch = await exports.rows.batch(batch_id)
    if batch is None:
        raise Problem(404, "No such batch", f"No event has told of a batch {batch_id!r} yet")
    heading = Heading(batch.batch_name or batch_id)
    if kind is BatchFormat.ZIP:
        last = batch

        async def images() -> AsyncIterator[Sequence[ExportImage]]:
            nonlocal last
            async for some in exports.rows.images(batch_id):
                yield some
            last = await exports.rows.batch(batch_id) or last

        kinds = [Format(one) for one in dict.fromkeys(files)]
        archive = Archive(kinds, exports.pictures.open, lambda: _summary(batch, last))
        writers, media_type, suffix = archive.writers, "application/zip", ".zip"
    else:

        def images() -> AsyncIterator[Sequence[ExportImage]]:
            return exports.rows.images(batch_id)

        writers = [open_writer(Format(kind), exports.pictures.open)]
        media_type, suffix = Format(kind).media_type, Format(kind).suffix
    pieces = await exports.start(writers, heading, images)
    return _ExportResponse(pieces, media_type, safe_name(heading.title) + suffix)


@router.get("/images/export", response_class=StreamingResponse, responses=_RESPONSES)
async def export_image(
    request: Request,
    image_path: Annotated[str, Query(min_length=1, max_length=255)],
    kind: Annotated[Format, Query(alias="format", description="What to make of it")],
) -> StreamingResponse:
    """The newest result of an image path."""
    exports: Exports = request.app.state.exports
    image = await exports.rows.image(image_path)
    if image is None:
        raise Problem(404, "No such image", f"No event has told of an image {image_path!r} yet")

    async def images() -> AsyncIterator[Sequence[ExportImage]]:
        yield [image]

    writer = open_writer(kind, exports.pictures.open)
    pieces = await exports.start([writer], Heading(image.name, single=True), images)
    return _ExportResponse(pieces, kind.media_type, safe_name(image.title) + kind.suffix)


def _summary(before: Batch, after: Batch) -> dict[str, object]:
    """What `batch.json` says. Nothing visible changed meanwhile if both revisions are equal and it
    had ended.
    """
    return {
        **after.model_dump(mode="json"),
        "revision_before": before.revision,
        "status_before": before.status,
    }


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, none of them empty."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
