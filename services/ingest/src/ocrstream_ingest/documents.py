"""PDF and multi-frame TIFF, split into one image a page by a process that may die of it."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from ocrstream_ingest.form import ReceivedFile
from ocrstream_ingest.page_writer import PAGE_NAME, Outcome, Task
from ocrstream_runtime.problems import Problem
from ocrstream_runtime.watchdog import Expiry, Watchdog

logger = structlog.get_logger(__name__)

_PDF_MARK = b"%PDF-"
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WALL_FACTOR = 10.0


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
        Problem (422) if one cannot be read, or not within the limits.
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
            cpu_s=int(self._limits.timeout_s) + 1,
            memory_bytes=self._limits.memory_bytes,
        )
        async with self._places:
            outcome = await self._run(task)
        if outcome.refused is not None:
            raise _refused(file.name, number, outcome.refused)
        return [folder / PAGE_NAME.format(number) for number in range(1, outcome.pages + 1)]

    async def _run(self, task: Task) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "ocrstream_ingest.page_writer",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        expired: list[Expiry] = []

        def end(expiry: Expiry | None = None) -> None:
            if expiry is not None:
                expired.append(expiry)
            with contextlib.suppress(ProcessLookupError):
                process.kill()

        limit_s = self._limits.timeout_s
        watchdog = Watchdog(process.pid, end)
        watchdog.watch(limit_s, limit_s * _WALL_FACTOR)
        try:
            said, _ = await process.communicate(msgspec.json.encode(task))
        finally:
            watchdog.stop()
            if process.returncode is None:
                end()
                await process.wait()
        if expired:
            if expired[0].starved:
                raise _starved(expired[0])
            return Outcome(
                refused=f"splitting it took longer than {limit_s:g} s"
                " (OCRSTREAM_DOCUMENT_TIMEOUT_S)"
            )
        if process.returncode == 0:
            return msgspec.json.decode(said, type=Outcome)
        logger.warning("a document ended its reader", exit_code=process.returncode)
        return Outcome(
            refused="reading it takes more memory or time than allowed"
            f" (OCRSTREAM_DOCUMENT_MEMORY_BYTES={self._limits.memory_bytes:,},"
            f" OCRSTREAM_DOCUMENT_TIMEOUT_S={self._limits.timeout_s:g}), or it is broken"
        )


def _bytes_of(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _starved(expiry: Expiry) -> Problem:
    return Problem(
        503,
        "Too little CPU",
        f"A document was not split within {expiry.within_s:g} s, in which {expiry.worked_s:.1f} s"
        " could be worked at it; nothing was kept, send the request again when less is to do",
        headers={"Retry-After": "60"},
    )


def _refused(name: str | None, number: int, why: str) -> Problem:
    return Problem(
        422,
        "The document cannot be split into pages",
        f"{name or 'A file'}: {why}",
        errors=[{"pointer": f"#/files/{number}", "detail": why}],
    )
