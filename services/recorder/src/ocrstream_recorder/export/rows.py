"""JSON Lines, an image a line, and CSV, a box a line."""

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

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class JsonLines:
    """An object a line for each image: what became of it, what read it, its boxes."""

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """Nothing."""
        yield from ()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its line."""
        boxes = [
            {"text": box.text, "confidence": box.confidence, "bbox": box.polygon}
            for box in image.boxes
        ]
        row = {**described(image), "provenance": image.provenance, "text_boxes": boxes}
        yield msgspec.json.encode(row) + b"\n"

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


class Csv:
    """A line for each box; an image without any has one line, too, with the reason."""

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The columns' names."""
        yield _csv_lines([CSV_COLUMNS])

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its lines."""
        told = described(image)
        said = [guarded(told[name]) for name in CSV_COLUMNS if name in told]
        rows: list[list[object]] = [
            [*said, number, guarded(box.text), box.confidence, *sum(box.polygon, ())]
            for number, box in enumerate(image.boxes, 1)
        ]
        yield _csv_lines(rows or [said + [None] * (len(CSV_COLUMNS) - len(said))])

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


def described(image: ExportImage) -> dict[str, object]:
    """What there is to say of an image beside its text."""
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
    """The cell, so that no spreadsheet takes it for a formula.

    Text that begins as one, or with an apostrophe, gets an apostrophe before it: whoever takes one
    away from each text that begins so has what was read. Spreadsheets look past spaces.
    """
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _csv_lines(rows: list[tuple[str, ...]] | list[list[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
