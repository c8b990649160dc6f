"""Writes a document's pages as PNG files; a process of its own, for the document may be hostile.

Run as `python -m ocrstream_ingest.page_writer` by `run_job`.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from ocrstream_sandbox.serve import serve
from ocrstream_sandbox.wire import printable

PAGE_NAME = "{}.png"

_PDF_POINTS_PER_INCH = 72


class Task(msgspec.Struct, frozen=True):
    """`kind`: pdf or tiff. `dpi` is for PDF."""

    kind: str
    file: str
    folder: str
    max_pages: int
    max_page_pixels: int
    max_bytes: int
    dpi: int


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many pages were written; or why none are to be used."""

    pages: int = 0
    refused: str | None = None


class _Refused(Exception):
    pass


class PageWriter:
    """Answers a Task with an Outcome."""

    info = b""

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        return [msgspec.msgpack.encode(_do(msgspec.msgpack.decode(job, type=Task))) for job in jobs]


def _do(task: Task) -> Outcome:
    pages = _pdf_pages(task) if task.kind == "pdf" else _tiff_frames(task)
    try:
        outcome = Outcome(pages=_write(task, pages))
    except _Refused as refused:
        outcome = Outcome(refused=printable(str(refused)))
    return outcome


def _write(task: Task, pages: Iterator[bytes]) -> int:
    left, number = task.max_bytes, 0
    for number, page in enumerate(pages, 1):
        left -= len(page)
        if left < 0:
            raise _Refused(
                f"its pages are larger than {task.max_bytes:,} bytes (OCRSTREAM_MAX_DOCUMENT_BYTES)"
            )
        with Path(task.folder, PAGE_NAME.format(number)).open("xb") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
    return number


def _pdf_pages(task: Task) -> Iterator[bytes]:
    import pypdfium2  # noqa: PLC0415 - loaded within the limits

    try:
        document = pypdfium2.PdfDocument(task.file)
    except pypdfium2.PdfiumError as error:
        raise _Refused(f"it cannot be opened as PDF: {error}") from error
    _check_count(task, len(document))
    if len(document) == 0:
        raise _Refused("it has no pages")
    scale = task.dpi / _PDF_POINTS_PER_INCH
    for number in range(len(document)):
        try:
            page = document[number]
            width, height = page.get_size()
            _check_size(task, number + 1, round(width * scale), round(height * scale))
            # A scale may be a fraction, whatever its default makes type checkers believe.
            options: dict[str, Any] = {"scale": scale, "rev_byteorder": True}
            image = page.render(**options).to_pil().convert("RGB")
            page.close()
        except pypdfium2.PdfiumError as error:
            raise _Refused(f"page {number + 1} cannot be rendered: {error}") from error
        buffer = BytesIO()
        image.save(buffer, "PNG", compress_level=1, dpi=(task.dpi, task.dpi))
        yield buffer.getvalue()


def _tiff_frames(task: Task) -> Iterator[bytes]:
    from PIL import Image  # noqa: PLC0415 - loaded within the limits

    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    try:
        image = Image.open(task.file, formats=("TIFF",))
        count = 0
        while count <= task.max_pages:
            try:
                image.seek(count)
            except EOFError:
                break
            count += 1
        if count <= 1:
            return
        _check_count(task, count)
        for number in range(count):
            image.seek(number)
            _check_size(task, number + 1, *image.size)
            buffer = BytesIO()
            frame = image if image.mode in _PNG_MODES else image.convert("RGB")
            frame.save(buffer, "PNG", compress_level=1)
            yield buffer.getvalue()
    except MemoryError:
        raise
    # Pillow's decoders raise nearly anything for a broken file.
    except (
        OSError,
        ValueError,
        SyntaxError,
        KeyError,
        IndexError,
        TypeError,
        ArithmeticError,
    ) as error:
        raise _Refused(f"it cannot be read as TIFF: {error}") from error


_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def _check_count(task: Task, count: int) -> None:
    if count > task.max_pages:
        more = "more than" if task.kind == "tiff" else f"{count:,} pages, more than"
        raise _Refused(
            f"it has {more} the {task.max_pages:,} that may still come in this request"
            " (OCRSTREAM_MAX_DOCUMENT_PAGES); split it"
        )


def _check_size(task: Task, number: int, width: int, height: int) -> None:
    if width * height > task.max_page_pixels:
        raise _Refused(
            f"page {number} would have {width:,} x {height:,} pixels, more than"
            f" {task.max_page_pixels:,} (OCRSTREAM_MAX_PAGE_PIXELS)"
        )


if __name__ == "__main__":
    sys.exit(serve(lambda _: PageWriter()))
