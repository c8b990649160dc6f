"""Rows of ocr_executions and ocr_text_boxes: per path the greatest result, whole."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain, repeat
from typing import Annotated, Any, NamedTuple

import msgspec
from psycopg import Cursor

from ocrstream_recorder.database.typed_rows import (
    Columns,
    RowCount,
    TableRow,
    assignments,
    columns_of,
    records,
    rows_parameter,
    select_list,
)
from ocrstream_recorder.rules.image import ImageState, RegisterKey
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.events import Reason, TextBox


class _ImageRow(TableRow):
    chain_id: Annotated[str, "text"]
    image_path: Annotated[str, "text"]
    status: Annotated[ImageStatus, "text"]
    error: Annotated[str | None, "text"]
    run: Annotated[int, "int"]
    submitted_at: Annotated[datetime, "timestamp"]
    reason: Annotated[Reason | None, "text"]
    value_digest: Annotated[str, "bytea"]
    text_box_count: Annotated[int, "int"]
    provenance: Annotated[msgspec.Raw | None, "json"]


class _LockedRow(NamedTuple):
    """A row from before the recorder has a path alone."""

    id: int
    image_path: str
    submitted_at: datetime | None
    run: int
    chain_id: str
    status: str
    has_provenance: Annotated[bool, "provenance IS NOT NULL"]
    value_digest: bytes

    def is_below(self, image: ImageState) -> bool:
        """Whether the image holds the path; any result replaces a row from before the recorder."""
        return self.submitted_at is None or image.key > RegisterKey(
            self.submitted_at,
            self.run,
            self.chain_id,
            self.status == ImageStatus.SUCCESS,
            self.has_provenance,
            self.value_digest,
        )


_COLUMNS = columns_of(_ImageRow)
_UPDATED: Columns = {"id": "bigint", **_COLUMNS}
_NAMES = ", ".join(_COLUMNS)

_KNOWN = "SELECT image_path FROM ocr_executions WHERE image_path = ANY(%s)"

_INSERT = f"""
INSERT INTO ocr_executions ({_NAMES}) SELECT {_NAMES} FROM {records(_COLUMNS)}
ORDER BY r.image_path COLLATE "C"
ON CONFLICT (image_path) DO NOTHING
RETURNING image_path, id
"""

_LOCK = f"""
SELECT {select_list(_LockedRow)}
FROM ocr_executions
WHERE image_path = ANY(%s)
ORDER BY image_path COLLATE "C"
FOR NO KEY UPDATE
"""

_UPDATE = f"""
UPDATE ocr_executions o SET {assignments(_COLUMNS)}
FROM {records(_UPDATED)} WHERE o.id = r.id
"""

# The first to hold a public path keeps it; of several in one poll the least row that has none yet
# gets it.
_GRANT = """
UPDATE ocr_executions o SET public_path = g.public_path, updated_at = timezone('utc', now())
FROM (
    SELECT DISTINCT ON (w.public_path COLLATE "C") w.id, w.public_path
    FROM unnest(%s::bigint[], %s::text[]) AS w(id, public_path)
    JOIN ocr_executions r ON r.id = w.id AND r.public_path IS NULL
    WHERE NOT EXISTS (SELECT FROM ocr_executions h WHERE h.public_path = w.public_path)
    ORDER BY w.public_path COLLATE "C", w.id
) g
WHERE o.id = g.id
"""

_COPY_BOXES = "COPY ocr_text_boxes (ocr_execution_id, text, confidence, bbox) FROM STDIN"
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_COPY_IMAGES = 100

_BBOX = msgspec.json.Encoder()


class WrittenImages(NamedTuple):
    """What was written: rows, boxes, and public paths that another image holds.

    `warnings` counts the rows that have one, by its code.
    """

    rows: RowCount
    boxes: RowCount
    refused_public_paths: int
    warnings: Counter[str]


class LockedImages(NamedTuple):
    """Results that hold their path from now on, with their row ids; their boxes come later."""

    holders: list[tuple[int, ImageState]]
    replaced: list[int]
    rows: RowCount


def write_rows(cursor: Cursor[Any], images: Mapping[str, ImageState]) -> LockedImages:
    """Write, and lock, the rows of those results that hold their path."""
    if not images:
        return LockedImages([], [], RowCount(0, 0))
    cursor.execute(_KNOWN, (list(images),))
    known = {path for (path,) in cursor}
    new = [_row(image) for path, image in images.items() if path not in known]
    holders: list[tuple[int, ImageState]] = []
    if new:
        cursor.execute(_INSERT, (rows_parameter(new),))
        holders += [(row_id, images[path]) for path, row_id in cursor.fetchall()]
    written = len(holders)
    locked = _locked(cursor, images.keys() - {image.image_path for _, image in holders})
    replaced = [
        (row.id, images[row.image_path]) for row in locked if row.is_below(images[row.image_path])
    ]
    staged = len(images) - len(locked) + len(replaced)
    if replaced:
        rows = [_row(image, row_id) for row_id, image in replaced]
        written += cursor.execute(_UPDATE, (rows_parameter(rows),)).rowcount
        holders += replaced
    return LockedImages(holders, [row_id for row_id, _ in replaced], RowCount(staged, written))


def write_boxes(cursor: Cursor[Any], locked: LockedImages) -> WrittenImages:
    """Write the boxes that belong to the rows; those of a result that lost its path go."""
    if locked.replaced:
        cursor.execute(
            "DELETE FROM ocr_text_boxes WHERE ocr_execution_id = ANY(%s)", (locked.replaced,)
        )
    boxes = _copy_boxes(cursor, locked.holders)
    refused = _grant_public_paths(cursor, locked.holders)
    warnings = Counter(code for _, image in locked.holders for code in image.warnings)
    return WrittenImages(locked.rows, boxes, refused, warnings)


def _locked(cursor: Cursor[Any], paths: Iterable[str]) -> list[_LockedRow]:
    wanted = sorted(paths)
    if not wanted:
        return []
    cursor.execute(_LOCK, (wanted,))
    return [*map(_LockedRow._make, cursor)]


def _copy_boxes(cursor: Cursor[Any], holders: list[tuple[int, ImageState]]) -> RowCount:
    if not any(image.boxes for _, image in holders):
        return RowCount(0, 0)
    count = 0
    with cursor.copy(_COPY_BOXES) as copy:
        for start in range(0, len(holders), _COPY_IMAGES):
            part = holders[start : start + _COPY_IMAGES]
            boxes = [box for _, image in part for box in image.boxes]
            if boxes:
                ids = chain.from_iterable(
                    repeat(str(row_id), len(image.boxes)) for row_id, image in part
                )
                copy.write(_box_lines(ids, boxes))
                count += len(boxes)
    return RowCount(count, cursor.rowcount)


def _box_lines(ids: Iterable[str], boxes: list[TextBox]) -> str:
    """Lines of COPY; column by column, which is several times as fast as line by line."""
    # No text holds NUL, so all of them can be escaped as one.
    texts = "\0".join([box.text for box in boxes]).translate(_COPY_ESCAPES).split("\0")
    confidences = [repr(box.confidence) for box in boxes]
    bboxes = _BBOX.encode_lines([box.bbox for box in boxes]).decode().splitlines(keepends=True)
    return "".join(map("\t".join, zip(ids, texts, confidences, bboxes, strict=True)))


def _grant_public_paths(cursor: Cursor[Any], holders: list[tuple[int, ImageState]]) -> int:
    wanted = [(row_id, image.public_path) for row_id, image in holders if image.public_path]
    if not wanted:
        return 0
    ids, paths = [row_id for row_id, _ in wanted], [path for _, path in wanted]
    cursor.execute(_GRANT, (ids, paths))
    cursor.execute(
        "SELECT count(*) FROM unnest(%s::bigint[], %s::text[]) AS w(id, public_path) "
        "JOIN ocr_executions o ON o.id = w.id WHERE o.public_path IS DISTINCT FROM w.public_path",
        (ids, paths),
    )
    refused = cursor.fetchone()
    return refused[0] if refused else 0


def _row(image: ImageState, row_id: int | msgspec.UnsetType = msgspec.UNSET) -> _ImageRow:
    return _ImageRow(
        image.chain_id,
        image.image_path,
        image.status,
        image.error,
        image.run,
        image.submitted_at,
        image.reason,
        "\\x" + image.value_digest.hex(),
        len(image.boxes),
        image.provenance,
        id=row_id,
    )
