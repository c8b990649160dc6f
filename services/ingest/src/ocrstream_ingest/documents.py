"""PDF and multi-frame TIFF, split into one image a page by a process that may die of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from ocrstream_ingest.form import ReceivedFile
from ocrstream_ingest.page_writer import PAGE_NAME, Outcome, Task
from ocrstream_runtime.problems import Problem
from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.single_job import run_job

logger = structlog.get_logger(__name__)

_PDF_MARK = b"%PDF-"
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RETRY_AFTER_S = "60"


class DocumentLimits(NamedTuple):
    """What the documents of a request may take; `dpi` is what a PDF's pages are rendered with."""

    max_pages: int
    max_page_pixels: int
    max_bytes: int
    dpi: int
    timeout_s: float
    memory_bytes: int
    at_once: int


def kind_of(head: bytes) -> str | None:
    """`pdf` or `tiff` by a file's first kilobyte, whatever it is called; None for others."""
    if _PDF_MARK in head:
        return "pdf"
    return "tiff" if head.startswith(_TIFF_MARKS) else None


class Documents:
    """Splits documents, some at once, each in a process of its own within limits."""

    def __init__(self, limits: DocumentLimits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.at_once)

    async def split(self, files: Sequence[ReceivedFile]) -> list[Sequence[Path]]:
        """Of each file its pages' images in order, on the disk beside it; nothing for an image.

        One after another: the limits of pages and bytes are for all of them together. Raises
        Problem (422) if one cannot be read, or not within the limits, and (503) if none can be now.
        """
        found: list[Sequence[Path]] = []
        left = self._limits
        for number, file in enumerate(files):
            kind = kind_of(file.head)
            pages = await self._split(file, number, kind, left) if kind else ()
            found.append(pages)
            size = await asyncio.to_thread(_bytes_of, pages)
            left = left._replace(
                max_pages=left.max_pages - len(pages), max_bytes=left.max_bytes - size
            )
        return found

    async def _split(
        self, file: ReceivedFile, number: int, kind: str, limits: DocumentLimits
    ) -> Sequence[Path]:
        folder = file.path.with_name(f"{file.path.name}.pages")
        folder.mkdir()
        task = Task(
            kind=kind,
            file=str(file.path),
            folder=str(folder),
            max_pages=limits.max_pages,
            max_page_pixels=self._limits.max_page_pixels,
            max_bytes=limits.max_bytes,
            dpi=self._limits.dpi,
        )
        async with self._places:
            outcome = await self._run(task)
        if outcome.refused is not None:
            raise _refused(file.name, number, outcome.refused)
        return [folder / PAGE_NAME.format(number) for number in range(1, outcome.pages + 1)]

    async def _run(self, task: Task) -> Outcome:
        spec = ChildSpec(
            name="page writer",
            module="ocrstream_ingest.page_writer",
            job_timeout_s=self._limits.timeout_s,
            limits=ChildLimits(
                memory_bytes=self._limits.memory_bytes, file_bytes=task.max_bytes, expendable=True
            ),
        )
        try:
            answer = await run_job(spec, msgspec.msgpack.encode(task))
            return msgspec.msgpack.decode(answer, type=Outcome)
        except (ChildStarvedError, ChildUnavailableError) as error:
            logger.warning("a document cannot be split now", error=str(error))
            starved = isinstance(error, ChildStarvedError)
            raise Problem(
                503,
                "Too little CPU" if starved else "No process for the document",
                f"A document was not split: {error}; nothing was kept, send the request again when"
                " less is to do",
                headers={"Retry-After": _RETRY_AFTER_S},
            ) from error
        except (ChildDiedError, msgspec.DecodeError) as error:
            if isinstance(error, ChildDiedError) and error.hung:
                return Outcome(
                    refused=f"splitting it took longer than {self._limits.timeout_s:g} s"
                    " (OCRSTREAM_DOCUMENT_TIMEOUT_S)"
                )
            logger.warning("a document ended its reader", error=str(error))
            return Outcome(
                refused="reading it takes more memory than allowed"
                f" (OCRSTREAM_DOCUMENT_MEMORY_BYTES={self._limits.memory_bytes:,}), or it is broken"
            )


def _bytes_of(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _refused(name: str | None, number: int, why: str) -> Problem:
    return Problem(
        422,
        "The document cannot be split into pages",
        f"{name or 'A file'}: {why}",
        errors=[{"pointer": f"#/files/{number}", "detail": why}],
    )
