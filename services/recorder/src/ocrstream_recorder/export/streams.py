"""Runs exports: from images to the bytes of a document, as a stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import structlog

from ocrstream_recorder.errors import TooManyExportsError
from ocrstream_recorder.export.model import ExportImage, Heading, Writer

logger = structlog.get_logger(__name__)

MAX_EXPORTS = 4
_PIECE_BYTES = 64 * 1024

ReadImages = Callable[[], AsyncIterator[Sequence[ExportImage]]]
"""Begins to read all images of an export in order, some at a time."""


class ExportStreams:
    """Runs a bounded number of exports at once, which leaves connections for other requests.

    Threads of its own turn images into bytes: that takes CPU time, and the files that a PDF holds
    come from file systems and stores that may hang.
    """

    def __init__(self) -> None:
        self.running = 0
        self._threads = ThreadPoolExecutor(MAX_EXPORTS, "export")

    async def start(
        self, writers: Sequence[Writer], heading: Heading, read_images: ReadImages
    ) -> AsyncGenerator[bytes]:
        """The pieces of the export; the caller closes them. Returns once the first images are read.

        Each writer gets all images, one writer after the other. An error before the first images
        are read raises here, so that the caller can still answer it. Raises TooManyExportsError.
        """
        if self.running >= MAX_EXPORTS:
            raise TooManyExportsError(
                f"{MAX_EXPORTS} exports are running; try again when one has ended"
            )
        pieces = self._pieces(writers, heading, read_images)
        # The first piece is empty and follows the first images.
        await anext(pieces)
        return pieces

    async def _pieces(
        self, writers: Sequence[Writer], heading: Heading, read_images: ReadImages
    ) -> AsyncGenerator[bytes]:
        self.running += 1
        try:
            async with aclosing(self._of_all(writers, heading, read_images)) as parts:
                async for part in parts:
                    yield part
        except Exception as error:
            logger.error("export broken off", of=heading.title, error=repr(error))
            raise
        finally:
            self.running -= 1

    async def _of_all(
        self, writers: Sequence[Writer], heading: Heading, read_images: ReadImages
    ) -> AsyncGenerator[bytes]:
        first_images_read = False
        for writer in writers:
            begun = False
            async for images in read_images():
                if not first_images_read:
                    first_images_read = True
                    yield b""
                if not begun:
                    begun = True
                    async for piece in self._on_threads(writer.begin(heading)):
                        yield piece
                written = (piece for image in images for piece in writer.add(image))
                async for piece in self._on_threads(written):
                    yield piece
            async for piece in self._on_threads(writer.end()):
                yield piece

    async def _on_threads(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        joined = _joined(pieces)
        while piece := await loop.run_in_executor(self._threads, next, joined, b""):
            yield piece


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, none of them empty."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
