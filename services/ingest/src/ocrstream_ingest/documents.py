"""Splits PDF and multi-frame TIFF into one image per page, in a child process that may crash."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from ocrstream_ingest.form import ReceivedFile
from ocrstream_ingest.page_writer import PAGE_NAME, SplitResult, SplitTask
from ocrstream_runtime.errors import ProblemError
from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.single_job import run_job
from ocrstream_schemas.events import Reason, Refusal

logger = structlog.get_logger(__name__)

_PDF_SIGNATURE = b"%PDF-"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RETRY_AFTER_S = "60"


class DocumentLimits(NamedTuple):
    """Limits of all documents of a request together; `dpi` is the resolution of rendered PDF pages.

    `timeout_s` and `memory_bytes` apply to each document, `max_concurrent` to all requests.
    """

    max_pages: int
    max_page_pixels: int
    max_bytes: int
    dpi: int
    timeout_s: float
    memory_bytes: int
    max_concurrent: int


def document_kind(head: bytes) -> str | None:
    """Returns `pdf` or `tiff` by a file's first kilobyte, whatever its name; None for others."""
    if _PDF_SIGNATURE in head:
        return "pdf"
    return "tiff" if head.startswith(_TIFF_SIGNATURES) else None


class DocumentSplitter:
    """Splits documents, each in a child process of its own that has limits."""

    def __init__(self, limits: DocumentLimits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.max_concurrent)

    async def split(
        self, files: Sequence[ReceivedFile], password: str | None = None
    ) -> list[Sequence[Path] | Refusal]:
        """Returns for each file the paths of its pages' images, in order; none for an image.

        `password` opens the PDFs that one protects. Returns a Refusal for a refused file, and for a
        document that is not readable within the limits. Splits one document after another, because
        the limits of pages and bytes apply to all of them together. Raises ProblemError: 413 if a
        document exceeds what the ones before it leave of these limits, 503 if no child process is
        available.
        """
        pages_by_file: list[Sequence[Path] | Refusal] = []
        remaining = self._limits
        for number, file in enumerate(files):
            if file.refused:
                pages = file.refused
            elif kind := document_kind(file.head):
                pages = await self._split(file, number, kind, remaining, password)
            else:
                pages = ()
            pages_by_file.append(pages)
            if isinstance(pages, Refusal):
                continue
            size = await asyncio.to_thread(_total_size, pages)
            remaining = remaining._replace(
                max_pages=remaining.max_pages - len(pages), max_bytes=remaining.max_bytes - size
            )
        return pages_by_file

    async def _split(
        self,
        file: ReceivedFile,
        number: int,
        kind: str,
        limits: DocumentLimits,
        password: str | None,
    ) -> Sequence[Path] | Refusal:
        folder = file.path.with_name(f"{file.path.name}.pages")
        folder.mkdir()
        task = SplitTask(
            kind=kind,
            file=str(file.path),
            folder=str(folder),
            max_pages=limits.max_pages,
            max_page_pixels=self._limits.max_page_pixels,
            max_bytes=limits.max_bytes,
            dpi=self._limits.dpi,
            password=password,
        )
        async with self._slots:
            result = await self._run(task)
        if result.error is not None and result.request_full and limits != self._limits:
            raise _request_full(file.name, number, result.error)
        if result.error is not None:
            return Refusal(
                reason=result.reason, error=f"The document cannot be split: {result.error}"
            )
        return [folder / PAGE_NAME.format(number) for number in range(1, result.pages + 1)]

    async def _run(self, task: SplitTask) -> SplitResult:
        spec = ChildSpec(
            name="page writer",
            module="ocrstream_ingest.page_writer",
            job_timeout_s=self._limits.timeout_s,
            limits=ChildLimits(
                memory_bytes=self._limits.memory_bytes, file_bytes=task.max_bytes, expendable=True
            ),
        )
        try:
            result = await run_job(spec, msgspec.msgpack.encode(task))
            return msgspec.msgpack.decode(result, type=SplitResult)
        except (ChildStarvedError, ChildUnavailableError) as error:
            logger.warning("cannot split a document now", error=str(error))
            starved = isinstance(error, ChildStarvedError)
            raise ProblemError(
                503,
                "Too little CPU" if starved else "No process for the document",
                f"Ingest could not split a document: {error}; it stored nothing, send the request"
                " again when the load is lower",
                headers={"Retry-After": _RETRY_AFTER_S},
            ) from error
        except (ChildDiedError, msgspec.DecodeError) as error:
            if isinstance(error, ChildDiedError) and error.hung:
                return SplitResult(
                    error=f"splitting it took longer than {self._limits.timeout_s:g} s"
                    " (OCRSTREAM_DOCUMENT_TIMEOUT_S)",
                    reason=Reason.TIMEOUT,
                )
            logger.warning("a document crashed the page writer", error=str(error))
            return SplitResult(
                error="reading it takes more memory than allowed"
                f" (OCRSTREAM_DOCUMENT_MEMORY_BYTES={self._limits.memory_bytes:,}), or it is broken"
            )


def _total_size(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _request_full(name: str | None, number: int, reason: str) -> ProblemError:
    return ProblemError(
        413,
        "Too many pages in one request",
        f"{name or 'A file'}: {reason}",
        errors=[{"pointer": f"#/files/{number}", "detail": reason}],
    )
