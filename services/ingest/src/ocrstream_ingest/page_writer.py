"""Writes a document's pages as PNG files, in a child process because a document may be hostile.

`run_job` starts it as `python -m ocrstream_ingest.page_writer`.
"""

import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from ocrstream_ingest.errors import DocumentError, DocumentTooLargeError, RequestFullError
from ocrstream_sandbox.serve import serve
from ocrstream_sandbox.wire import printable
from ocrstream_schemas.events import Reason

PAGE_NAME = "{}.png"

_PDF_POINTS_PER_INCH = 72
# A page that is too large even for the least OCRSTREAM_DOCUMENT_DPI is refused.
_LOWEST_DPI = 36


class SplitTask(msgspec.Struct, frozen=True):
    """A document and its limits. `kind` is pdf or tiff; only PDF needs `dpi` and `password`.

    It travels through a pipe, so a password is never on the disk or in a process list.
    """

    kind: str
    file: str
    folder: str
    max_pages: int
    max_page_pixels: int
    max_bytes: int
    dpi: int
    password: str | None = None


class SplitResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many pages were written, or the error because of which no page may be used.

    `request_full` means that the document may fit into a request of its own.
    """

    pages: int = 0
    error: str | None = None
    reason: Reason = Reason.UNDECODABLE
    request_full: bool = False


class PageWriter:
    """Handles a SplitTask and returns a SplitResult."""

    info = b""

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        return [
            msgspec.msgpack.encode(_split(msgspec.msgpack.decode(job, type=SplitTask)))
            for job in jobs
        ]


def _split(task: SplitTask) -> SplitResult:
    pages = _pdf_pages(task) if task.kind == "pdf" else _tiff_frames(task)
    try:
        return SplitResult(pages=_write(task, pages))
    except DocumentError as error:
        return SplitResult(
            error=printable(str(error)),
            reason=error.reason,
            request_full=isinstance(error, RequestFullError),
        )


def _write(task: SplitTask, pages: Iterator[bytes]) -> int:
    remaining, number = task.max_bytes, 0
    for number, page in enumerate(pages, 1):
        remaining -= len(page)
        if remaining < 0:
            raise RequestFullError(
                f"its pages are larger than {task.max_bytes:,} bytes (OCRSTREAM_MAX_DOCUMENT_BYTES)"
            )
        with Path(task.folder, PAGE_NAME.format(number)).open("xb") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
    return number


def _pdf_pages(task: SplitTask) -> Iterator[bytes]:
    # Imported after the limits apply.
    import pypdfium2  # noqa: PLC0415

    from ocrstream_imaging import ReducedResolution  # noqa: PLC0415

    try:
        document = pypdfium2.PdfDocument(task.file, password=task.password)
        # Before any page is loaded: it draws the fields, also those without an appearance.
        document.init_forms()
    except pypdfium2.PdfiumError as error:
        raise _not_opened(task, error) from error
    if len(document) > task.max_pages:
        raise _too_many_pages(task, f"{len(document):,} pages, more than")
    for number in range(len(document)):
        try:
            page = document[number]
            dpi = _page_dpi(task, number + 1, *page.get_size())
            # pypdfium2 accepts a fraction, although the type of the default is int. A page looks as
            # printed, because annotations that are not printed are notes on the screen.
            options: dict[str, Any] = {
                "scale": dpi / _PDF_POINTS_PER_INCH,
                "rev_byteorder": True,
                "optimize_mode": "print",
            }
            image = page.render(**options).to_pil().convert("RGB")
            page.close()
        except pypdfium2.PdfiumError as error:
            raise DocumentError(f"page {number + 1} cannot be rendered: {error}") from error
        buffer = BytesIO()
        note = ReducedResolution(dpi, task.dpi).as_png_info() if dpi < task.dpi else None
        image.save(buffer, "PNG", compress_level=1, dpi=(dpi, dpi), pnginfo=note)
        yield buffer.getvalue()


def _tiff_frames(task: SplitTask) -> Iterator[bytes]:
    # Imported after the limits apply.
    from ocrstream_imaging import (  # noqa: PLC0415
        ImageFileError,
        TooManyFramesError,
        TooManyPixelsError,
        tiff_pages,
    )

    # Nobody reads Pillow's warnings about broken metadata.
    warnings.simplefilter("ignore")
    pages = tiff_pages(Path(task.file), max_pages=task.max_pages, max_pixels=task.max_page_pixels)
    try:
        for page in pages:
            buffer = BytesIO()
            page.save(buffer, "PNG", compress_level=1)
            yield buffer.getvalue()
    except TooManyFramesError as error:
        raise _too_many_pages(task, "more than") from error
    except TooManyPixelsError as error:
        raise DocumentTooLargeError(f"{error} (OCRSTREAM_MAX_PAGE_PIXELS)") from error
    except ImageFileError as error:
        raise DocumentError(f"it cannot be read as TIFF: {error}") from error


def _too_many_pages(task: SplitTask, count: str) -> RequestFullError:
    return RequestFullError(
        f"it has {count} the {task.max_pages:,} that this request may still have"
        " (OCRSTREAM_MAX_DOCUMENT_PAGES); split it"
    )


def _not_opened(task: SplitTask, error: Any) -> DocumentError:
    """The error of a PDF that pdfium does not open; `error` is its PdfiumError."""
    import pypdfium2.raw  # noqa: PLC0415 - imported after the limits apply

    match error.err_code:
        case pypdfium2.raw.FPDF_ERR_PASSWORD if task.password is not None:
            return DocumentError("the password in the form field pdf_password does not open it")
        case pypdfium2.raw.FPDF_ERR_PASSWORD:
            return DocumentError(
                "a password protects it; send it again with the password in the form field"
                " pdf_password, or with `ocrstream submit` and the password in the variable"
                " OCRSTREAM_PDF_PASSWORD"
            )
        case pypdfium2.raw.FPDF_ERR_SECURITY:
            reason = "its encryption is not supported; save it without encryption"
        case pypdfium2.raw.FPDF_ERR_SUCCESS:
            # pdfium opens it, and then finds no page.
            reason = "it has no pages"
        case _:
            reason = str(error)
    return DocumentError(f"it cannot be opened as PDF: {reason}")


def _page_dpi(task: SplitTask, number: int, width: float, height: float) -> int:
    """The greatest resolution up to `task.dpi` at which the page has not too many pixels.

    `width` and `height` are in points. Raises DocumentTooLargeError below _LOWEST_DPI.
    """

    def size(dpi: int) -> tuple[int, int]:
        scale = dpi / _PDF_POINTS_PER_INCH
        return math.ceil(width * scale), math.ceil(height * scale)

    for dpi in range(task.dpi, _LOWEST_DPI - 1, -1):
        if math.prod(size(dpi)) <= task.max_page_pixels:
            return dpi
    columns, rows = size(_LOWEST_DPI)
    raise DocumentTooLargeError(
        f"page {number} would have {columns:,} x {rows:,} pixels even at {_LOWEST_DPI} dpi, more"
        f" than {task.max_page_pixels:,} (OCRSTREAM_MAX_PAGE_PIXELS)"
    )


if __name__ == "__main__":
    sys.exit(serve(lambda _: PageWriter()))
