"""Reads what exports are made of, some images at a time."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ocrstream_recorder.api import batch_image_views, batch_views
from ocrstream_recorder.api.batch_models import Batch, BatchImage
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.api.sessions import open_session
from ocrstream_recorder.api.stored_json import of_kind
from ocrstream_recorder.database.tables import ChainExecution, OcrExecution, OcrTextBox
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.export.model import Box, ExportImage
from ocrstream_recorder.rules.box_order import boxes_in_order, corners
from ocrstream_recorder.rules.provenance import is_ordered
from ocrstream_recorder.rules.status import ImageStatus, ProcessStatus

IMAGES_AT_ONCE = 50


class ExportRows:
    """Rows for exports, read through `engine`.

    Each page is one read-only transaction with one snapshot, so an image and its boxes belong
    together; none is open between pages, however slowly they are taken. All methods raise Problem
    if the database cannot be asked.
    """

    def __init__(self, engine: AsyncEngine, zone: DatabaseZone) -> None:
        self._engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._zone = zone

    async def batch(self, batch_id: str) -> Batch | None:
        """The batch as it is now."""
        async with open_session(self._engine) as session:
            return await batch_views.batch(Reading(session, self._zone), batch_id)

    async def images(self, batch_id: str) -> AsyncIterator[Sequence[ExportImage]]:
        """All images of a batch by index, those without one last, some at a time."""
        cursor: str | None = None
        while True:
            async with open_session(self._engine) as session:
                page = await batch_image_views.images(
                    Reading(session, self._zone),
                    batch_id,
                    status=None,
                    reason=None,
                    warning=None,
                    cursor=cursor,
                    limit=IMAGES_AT_ONCE,
                )
                images = await _with_boxes(session, page.items)
            yield images
            cursor = page.next_cursor
            if cursor is None:
                return

    async def image(self, image_path: str) -> ExportImage | None:
        """The newest result of an image path; None if there is none yet."""
        async with open_session(self._engine) as session:
            execution = await session.scalar(
                select(OcrExecution).where(OcrExecution.image_path == image_path)
            )
            if execution is None:
                return None
            told = (await _inputs(session, [execution.chain_id or ""])).get(execution.chain_id, {})
            provenance = execution.provenance
            stored = (await _boxes(session, [execution.id])).get(execution.id, [])
            succeeded = execution.status == ImageStatus.SUCCESS
            return ExportImage(
                chain_id=execution.chain_id,
                image_path=execution.image_path,
                public_path=execution.public_path,
                index=of_kind(told.get("index"), int),
                run=execution.run,
                status=ProcessStatus.SUCCESS if succeeded else ProcessStatus.FAILURE,
                reason=execution.reason,
                error=execution.error,
                source_name=of_kind(told.get("source_name"), str),
                page=of_kind(told.get("page"), int),
                words=_reads_words(told),
                provenance=provenance,
                boxes=_in_order(stored, provenance),
            )


async def _with_boxes(session: AsyncSession, rows: Iterable[BatchImage]) -> list[ExportImage]:
    rows = list(rows)
    read = [row for row in rows if row.status == ProcessStatus.SUCCESS]
    executions = {
        row.image_path: row
        for row in await session.execute(
            select(
                OcrExecution.image_path,
                OcrExecution.id,
                OcrExecution.chain_id,
                OcrExecution.provenance,
            ).where(OcrExecution.image_path.in_([row.image_path for row in read if row.image_path]))
        )
    }
    boxes = await _boxes(session, [found.id for found in executions.values()])
    told = await _inputs(session, [row.chain_id for row in read])
    images: list[ExportImage] = []
    for row in rows:
        words = _reads_words(told.get(row.chain_id, {}))
        said = asdict(row)
        # These are in the provenance, whole.
        del said["warnings"]
        image = ExportImage(**said, words=words)
        if row.status == ProcessStatus.SUCCESS:
            image = _filled(image, executions.get(row.image_path or ""), boxes)
        images.append(image)
    return images


def _filled(
    image: ExportImage, found: Row[*tuple[Any, ...]] | None, boxes: Mapping[int, list[Box]]
) -> ExportImage:
    """The image with what its path holds, which may be the result of a later chain."""
    if found is not None and found.id in boxes:
        ordered = _in_order(boxes[found.id], found.provenance)
        return replace(image, provenance=found.provenance, boxes=ordered)
    holder = None if found is None else found.chain_id
    by = f"chain {holder!r}" if holder and holder != image.chain_id else "nothing"
    error = f"It was read, but its text is gone: its path now holds the result of {by}"
    return replace(image, reason="superseded", error=error)


def _in_order(stored: list[Box], provenance: Any) -> tuple[Box, ...]:
    ordered = is_ordered(provenance)
    return tuple(
        boxes_in_order(stored, lambda box: box.polygon, lambda box: box.text, ordered=ordered)
    )


async def _boxes(session: AsyncSession, numbers: Sequence[int]) -> dict[int, list[Box]]:
    """Boxes as they are stored, by the image's row."""
    found: dict[int, list[Box]] = {}
    rows = await session.execute(
        select(OcrTextBox.ocr_execution_id, OcrTextBox.text, OcrTextBox.confidence, OcrTextBox.bbox)
        .where(OcrTextBox.ocr_execution_id.in_(numbers))
        .order_by(OcrTextBox.ocr_execution_id, OcrTextBox.id)
    )
    for number, text, confidence, bbox in rows:
        found.setdefault(number, []).append(Box(text or "", confidence or 0.0, corners(bbox)))
    return found


async def _inputs(
    session: AsyncSession, chain_ids: Sequence[str]
) -> dict[str | None, Mapping[str, Any]]:
    """What was told of the images, by chain."""
    rows = await session.execute(
        select(ChainExecution.chain_id, ChainExecution.input_data)
        .where(ChainExecution.chain_id.in_(chain_ids))
        .order_by(ChainExecution.run)
    )
    return {chain_id: told for chain_id, told in rows if isinstance(told, dict)}


def _reads_words(told: Mapping[str, Any]) -> bool:
    options = told.get("options")
    return isinstance(options, dict) and options.get("boxes") == "word"
