"""JSON Lines, a line for each image, and CSV, a line for each box."""

import csv
import io
from collections.abc import Iterator

import msgspec

from ocrstream_recorder.export.model import ExportImage, Heading

CSV_COLUMNS = (
    "index",
    "source_name",
    "page",
    "image_path",
    "public_path",
    "chain_id",
    "run",
    "status",
    "reason",
    "error",
    "box",
    "text",
    "confidence",
    *(f"{axis}{corner}" for corner in range(1, 5) for axis in "xy"),
)

# Some spreadsheets evaluate the full-width forms, too.
_FORMULA_STARTS = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20", "\t", "\r", "\n", "'")


class JsonLines:
    """An object for each image, on one line: its outcome, its provenance, its boxes."""

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """Nothing."""
        yield from ()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its line."""
        boxes = [
            {"text": box.text, "confidence": box.confidence, "bbox": box.polygon}
            for box in image.boxes
        ]
        row = {**description_of(image), "provenance": image.provenance, "text_boxes": boxes}
        yield msgspec.json.encode(row) + b"\n"

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


class Csv:
    """A line for each box; an image without boxes has one line with the reason."""

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The columns' names."""
        yield _csv_lines([CSV_COLUMNS])

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its lines."""
        described = description_of(image)
        cells = [guarded(described[name]) for name in CSV_COLUMNS if name in described]
        rows: list[list[object]] = [
            [*cells, number, guarded(box.text), box.confidence, *sum(box.polygon, ())]
            for number, box in enumerate(image.boxes, 1)
        ]
        yield _csv_lines(rows or [cells + [None] * (len(CSV_COLUMNS) - len(cells))])

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


def description_of(image: ExportImage) -> dict[str, object]:
    """The fields of an image, its text and provenance aside."""
    return {
        "index": image.index,
        "source_name": image.source_name,
        "page": image.page,
        "image_path": image.image_path,
        "public_path": image.public_path,
        "chain_id": image.chain_id,
        "run": image.run,
        "status": image.status,
        "reason": image.reason,
        "error": image.error,
    }


def guarded(cell: object) -> object:
    """The cell in a form that no spreadsheet evaluates as a formula.

    Text that begins like a formula, or with an apostrophe, gets an apostrophe before it; a reader
    that removes one leading apostrophe has the original. Spreadsheets ignore leading spaces.
    """
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _csv_lines(rows: list[tuple[str, ...]] | list[list[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
