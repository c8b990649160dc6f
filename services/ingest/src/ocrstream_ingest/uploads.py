"""Keeps uploaded files where the workers find them."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import structlog
from fastapi import Request

from ocrstream_ingest.body import BodyLimits, pieces
from ocrstream_ingest.durable import make_folder, sync_folders
from ocrstream_ingest.form import FormReader
from ocrstream_runtime.problems import Problem

logger = structlog.get_logger(__name__)

INCOMING = ".incoming"
_AT_ONCE_BYTES = 1 << 18
# Longer than any request may take, so what is older was left by a crash.
_LEFT_OVER_AFTER_S = 24 * 3600.0


class Move(NamedTuple):
    """A received file, and the path beneath the root that it gets."""

    source: Path
    place: str


class Uploads:
    """Files under `root`, each there whole or not at all."""

    def __init__(self, root: Path, max_file_bytes: int) -> None:
        self._root = root.resolve()
        self._max_file_bytes = max_file_bytes
        make_folder(self._root / INCOMING)

    def reference(self, place: str) -> str:
        """The `file://` reference of a place."""
        return (self._root / place).as_uri()

    @asynccontextmanager
    async def receive(self, request: Request, limits: BodyLimits) -> AsyncGenerator[FormReader]:
        """The request's form, read to its end; its files are gone afterwards unless moved.

        Raises Problem: 408, 413 or 422 for what is wrong with the request, 507 if the disk is full
        or fails.
        """
        folder = self._root / INCOMING / str(uuid4())
        reader: FormReader | None = None
        try:
            await asyncio.to_thread(folder.mkdir)
            reader = FormReader(
                request.headers.get("content-type", ""), folder, self._max_file_bytes
            )
            await _read(request, limits, reader)
            yield reader
        except OSError as error:
            raise _unstored(error) from error
        finally:
            if reader is not None:
                reader.close()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def keep(self, moves: Sequence[Move]) -> None:
        """Put files in their places, names and contents on the disk before this returns.

        The contents must be on the disk already. If it fails none is left behind; raises OSError.
        """
        await asyncio.to_thread(self._keep, moves)

    def remove_left_overs(self) -> None:
        """Remove what requests left behind that a crash cut off."""
        for folder in (self._root / INCOMING).iterdir():
            if time.time() - folder.stat().st_mtime > _LEFT_OVER_AFTER_S:
                logger.info("upload left behind by a crash removed", folder=folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, moves: Sequence[Move]) -> None:
        made: list[Path] = []
        try:
            for move in moves:
                target = self._root / move.place
                make_folder(target.parent)
                new = not target.exists()
                move.source.replace(target)
                if new:
                    made.append(target)
            sync_folders({(self._root / move.place).parent for move in moves})
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise


async def _read(request: Request, limits: BodyLimits, reader: FormReader) -> None:
    waiting = bytearray()
    async for piece in pieces(request, limits):
        waiting += piece
        if len(waiting) >= _AT_ONCE_BYTES:
            await asyncio.to_thread(reader.feed, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(reader.feed, bytes(waiting))
    reader.finish()


def _unstored(error: OSError) -> Problem:
    return Problem(
        507,
        "Upload not stored",
        f"The files could not be stored: {error.strerror or error}; nothing was kept",
        headers={"Retry-After": "30"},
    )
