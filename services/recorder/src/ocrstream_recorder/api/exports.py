"""Exports: `/v1/batches/{batch_id}/export` and `/v1/images/export`, recorded results as documents.

The package `export` knows the formats. This module reads the rows for it and answers its streams.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import BigInteger, String, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from starlette.types import Receive, Scope, Send

from ocrstream_recorder.api import batch_images, batches
from ocrstream_recorder.api.batch_images import BatchImage
from ocrstream_recorder.api.batches import Batch
from ocrstream_recorder.api.http import (
    NOT_FOUND_DESCRIPTION,
    ImagePath,
    Key,
    Responses,
    content_disposition,
    found,
)
from ocrstream_recorder.api.queries import Queries, QueryPool, SqlQuery
from ocrstream_recorder.api.rows import of_kind
from ocrstream_recorder.database.tables import ChainExecution, OcrExecution, OcrTextBox
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import TooManyExportsError
from ocrstream_recorder.export.archive import Archive, safe_name
from ocrstream_recorder.export.formats import Format, open_writer
from ocrstream_recorder.export.model import Box, ExportImage, Heading, Writer
from ocrstream_recorder.export.pdf_images import PdfImages
from ocrstream_recorder.export.streams import ExportStreams, ReadImages
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_recorder.rules.box_order import boxes_in_order, corners
from ocrstream_recorder.rules.provenance import is_ordered
from ocrstream_recorder.rules.status import ImageStatus, ProcessStatus
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1", tags=["export"])

PAGE_IMAGES = 50
"""How many images an export reads at a time."""


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


_CONTENT: dict[str, Any] = {kind.media_type: {} for kind in Format}
_RESPONSES: Responses = {
    200: {
        "description": "The export, as a stream: one that breaks off has no proper end",
        "content": _CONTENT,
    },
    404: {"description": NOT_FOUND_DESCRIPTION},
    429: {"description": "Too many exports at once"},
}
_BATCH_RESPONSES: Responses = {
    **_RESPONSES,
    200: {**_RESPONSES[200], "content": {**_CONTENT, "application/zip": {}}},
}


class Exports:
    """What the paths of exports share: rows, images for PDFs, and the running streams."""

    def __init__(
        self, pool: QueryPool, zone: DatabaseZone, source: ImageSource, pictures: PicturePool
    ) -> None:
        self.rows = ExportRows(pool, zone)
        self.pdf_images = PdfImages(source, pictures)
        self.streams = ExportStreams()

    async def start(
        self, writers: Sequence[Writer], heading: Heading, read_images: ReadImages
    ) -> AsyncGenerator[bytes]:
        """As `ExportStreams.start`. Raises ProblemError (429)."""
        try:
            return await self.streams.start(writers, heading, read_images)
        except TooManyExportsError as error:
            raise ProblemError(
                429, "Too many exports at once", str(error), headers={"Retry-After": "5"}
            ) from error


class _ExportResponse(StreamingResponse):
    """Closes the export when the response ends, however it ends."""

    def __init__(self, pieces: AsyncGenerator[bytes], media_type: str, filename: str) -> None:
        super().__init__(
            pieces,
            headers={
                # `media_type` would add a charset to types that have none.
                "Content-Type": media_type,
                "Content-Disposition": content_disposition("attachment", filename),
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
    kind: Annotated[BatchFormat, Query(alias="format", description="The format of the export")],
    files: Annotated[
        list[FileFormat], Query(description="The formats of the files in a ZIP, a folder for each")
    ] = [FileFormat.TXT, FileFormat.HOCR, FileFormat.ALTO],  # noqa: B006 - never changed
) -> StreamingResponse:
    """A batch's images in order, each with its text or the reason why it has none.

    All formats but ZIP give one document of all images. A ZIP has a file for each image, or for
    all pages of a document, and a manifest. An image and its boxes are of one moment; the export
    of a batch in progress shows each image as it is when the export reads it.
    """
    exports: Exports = request.app.state.exports
    batch = found(await exports.rows.batch(batch_id), "batch", batch_id)
    heading = Heading(batch.batch_name or batch_id)
    if kind is BatchFormat.ZIP:
        last = batch

        async def read_images() -> AsyncIterator[Sequence[ExportImage]]:
            nonlocal last
            async for images in exports.rows.images(batch_id):
                yield images
            last = await exports.rows.batch(batch_id) or last

        kinds = [Format(file_format) for file_format in dict.fromkeys(files)]
        archive = Archive(kinds, exports.pdf_images.open, lambda: _summary(batch, last))
        writers, media_type, suffix = archive.writers, "application/zip", ".zip"
    else:

        def read_images() -> AsyncIterator[Sequence[ExportImage]]:
            return exports.rows.images(batch_id)

        writers = [open_writer(Format(kind), exports.pdf_images.open)]
        media_type, suffix = Format(kind).media_type, Format(kind).suffix
    pieces = await exports.start(writers, heading, read_images)
    return _ExportResponse(pieces, media_type, safe_name(heading.title) + suffix)


@router.get("/images/export", response_class=StreamingResponse, responses=_RESPONSES)
async def export_image(
    request: Request,
    image_path: ImagePath,
    kind: Annotated[Format, Query(alias="format", description="The format of the export")],
) -> StreamingResponse:
    """The newest result of an image path."""
    exports: Exports = request.app.state.exports
    image = found(await exports.rows.image(image_path), "image", image_path)

    async def read_images() -> AsyncIterator[Sequence[ExportImage]]:
        yield [image]

    writer = open_writer(kind, exports.pdf_images.open)
    pieces = await exports.start([writer], Heading(image.name, single=True), read_images)
    return _ExportResponse(pieces, kind.media_type, safe_name(image.title) + kind.suffix)


def _summary(before: Batch, after: Batch) -> dict[str, object]:
    """The content of `batch.json`.

    If both revisions are equal and the batch had ended, nothing visible changed meanwhile.
    """
    return {
        **after.model_dump(mode="json"),
        "revision_before": before.revision,
        "status_before": before.status,
    }


# ---- rows ----------------------------------------------------------------------------------------


class ExportRows:
    """Reads the images of exports.

    Each page is one read-only transaction with one snapshot, so that an image and its boxes belong
    together. No transaction is open between pages, however slowly a client reads. All methods raise
    ProblemError (503) if the database is unavailable.
    """

    def __init__(self, pool: QueryPool, zone: DatabaseZone) -> None:
        self._pool = pool
        self._zone = zone

    async def batch(self, batch_id: str) -> Batch | None:
        """The batch as it is now."""
        return await batches.batch(Queries(self._pool, self._zone), batch_id)

    async def images(self, batch_id: str) -> AsyncIterator[Sequence[ExportImage]]:
        """All images of a batch by index, those without an index last, some at a time."""
        cursor: str | None = None
        while True:
            async with self._pool.snapshot() as snapshot:
                queries = Queries(snapshot, self._zone)
                page = await batch_images.images(
                    queries, batch_id, cursor=cursor, limit=PAGE_IMAGES
                )
                images = await _with_boxes(queries, page.items)
            yield images
            cursor = page.next_cursor
            if cursor is None:
                return

    async def image(self, image_path: str) -> ExportImage | None:
        """The newest result of an image path; None if it has none."""
        async with self._pool.snapshot() as snapshot:
            queries = Queries(snapshot, self._zone)
            row = await queries.first(_RESULT, {"image_path": image_path})
            if row is None:
                return None
            data = (await _input_data(queries, [row.chain_id or ""])).get(row.chain_id, {})
            stored = (await _boxes(queries, [row.id])).get(row.id, [])
        succeeded = row.status == ImageStatus.SUCCESS
        return ExportImage(
            chain_id=row.chain_id,
            image_path=row.image_path,
            public_path=row.public_path,
            index=of_kind(data.get("index"), int),
            run=row.run,
            status=ProcessStatus.SUCCESS if succeeded else ProcessStatus.FAILURE,
            reason=row.reason,
            error=row.error,
            source_name=of_kind(data.get("source_name"), str),
            page=of_kind(data.get("page"), int),
            words=_has_words(data),
            provenance=row.provenance,
            boxes=_in_order(stored, row.provenance),
        )


_RESULT = SqlQuery(
    select(
        OcrExecution.id,
        OcrExecution.chain_id,
        OcrExecution.image_path,
        OcrExecution.public_path,
        OcrExecution.run,
        OcrExecution.status,
        OcrExecution.reason,
        OcrExecution.error,
        OcrExecution.provenance,
    ).where(OcrExecution.image_path == bindparam("image_path"))
)
_RESULTS = SqlQuery(
    select(
        OcrExecution.image_path, OcrExecution.id, OcrExecution.chain_id, OcrExecution.provenance
    ).where(OcrExecution.image_path == any_(bindparam("image_paths", type_=ARRAY(String))))
)
_BOXES = SqlQuery(
    select(OcrTextBox.ocr_execution_id, OcrTextBox.text, OcrTextBox.confidence, OcrTextBox.bbox)
    .where(OcrTextBox.ocr_execution_id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    .order_by(OcrTextBox.ocr_execution_id, OcrTextBox.id)
)
_INPUT_DATA = SqlQuery(
    select(ChainExecution.chain_id, ChainExecution.input_data)
    .where(ChainExecution.chain_id == any_(bindparam("chain_ids", type_=ARRAY(String))))
    .order_by(ChainExecution.run)
)


async def _with_boxes(queries: Queries, images: Sequence[BatchImage]) -> list[ExportImage]:
    succeeded = [image for image in images if image.status == ProcessStatus.SUCCESS]
    image_paths = [image.image_path for image in succeeded if image.image_path]
    results = {
        row.image_path: row for row in await queries.rows(_RESULTS, {"image_paths": image_paths})
    }
    boxes = await _boxes(queries, [row.id for row in results.values()])
    input_data = await _input_data(queries, [image.chain_id for image in succeeded])
    exported: list[ExportImage] = []
    for image in images:
        fields = asdict(image)
        # The provenance has all warnings with their details.
        del fields["warnings"]
        words = _has_words(input_data.get(image.chain_id, {}))
        without_text = ExportImage(**fields, words=words)
        if image.status == ProcessStatus.SUCCESS:
            result = results.get(image.image_path or "")
            exported.append(_with_result(without_text, result, boxes))
        else:
            exported.append(without_text)
    return exported


def _with_result(
    image: ExportImage, result: Any | None, boxes: Mapping[int, list[Box]]
) -> ExportImage:
    """The image with the result that its path holds, which may be that of a later chain."""
    if result is not None and result.id in boxes:
        ordered = _in_order(boxes[result.id], result.provenance)
        return replace(image, provenance=result.provenance, boxes=ordered)
    holder = None if result is None else result.chain_id
    by = f"chain {holder!r}" if holder and holder != image.chain_id else "nothing"
    error = f"It was read, but its text is gone: its path now holds the result of {by}"
    return replace(image, reason="superseded", error=error)


def _in_order(stored: list[Box], provenance: Any) -> tuple[Box, ...]:
    ordered = is_ordered(provenance)
    return tuple(
        boxes_in_order(stored, lambda box: box.polygon, lambda box: box.text, ordered=ordered)
    )


async def _boxes(queries: Queries, ids: Sequence[int]) -> dict[int, list[Box]]:
    """Boxes in stored order, by the id of the result's row."""
    boxes: dict[int, list[Box]] = {}
    for row in await queries.rows(_BOXES, {"ids": ids}):
        box = Box(row.text or "", row.confidence or 0.0, corners(row.bbox))
        boxes.setdefault(row.ocr_execution_id, []).append(box)
    return boxes


async def _input_data(
    queries: Queries, chain_ids: Iterable[str]
) -> dict[str | None, Mapping[str, Any]]:
    """The input data of the newest run, by chain."""
    rows = await queries.rows(_INPUT_DATA, {"chain_ids": list(chain_ids)})
    return {row.chain_id: row.input_data for row in rows if isinstance(row.input_data, dict)}


def _has_words(data: Mapping[str, Any]) -> bool:
    options = data.get("options")
    return isinstance(options, dict) and options.get("boxes") == "word"
