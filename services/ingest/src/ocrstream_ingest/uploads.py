"""Stores uploaded files where the workers read them."""

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

from ocrstream_ingest.form import FormParser
from ocrstream_ingest.fsync_files import create_folder, fsync_folders
from ocrstream_ingest.request_body import BodyLimits, read_chunks
from ocrstream_runtime.errors import ProblemError

logger = structlog.get_logger(__name__)

INCOMING = ".incoming"
_WRITE_BYTES = 1 << 18
# No request takes this long, so an older folder is left from a crash.
_STALE_AFTER_S = 24 * 3600.0


class Move(NamedTuple):
    """A received file and its storage key: the path beneath the root that it moves to."""

    source: Path
    key: str


class UploadStore:
    """Stores files beneath `root`; a reader sees either a complete file or none."""

    def __init__(self, root: Path, max_file_bytes: int) -> None:
        self._root = root.resolve()
        self._max_file_bytes = max_file_bytes
        create_folder(self._root / INCOMING)

    def reference(self, key: str) -> str:
        """Returns the `file://` reference of a storage key."""
        return (self._root / key).as_uri()

    @asynccontextmanager
    async def receive_form(
        self, request: Request, limits: BodyLimits
    ) -> AsyncGenerator[FormParser]:
        """Yields the request's form, read to its end; deletes its files afterwards unless stored.

        Raises ProblemError: 400, 408, 413 or 422 if the request is not valid, 507 if the disk is
        full or fails.
        """
        folder = self._root / INCOMING / str(uuid4())
        form: FormParser | None = None
        try:
            await asyncio.to_thread(folder.mkdir)
            form = FormParser(request.headers.get("content-type", ""), folder, self._max_file_bytes)
            await _feed(request, limits, form)
            yield form
        except OSError as error:
            raise _not_stored(error) from error
        finally:
            if form is not None:
                form.close()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def store(self, moves: Sequence[Move]) -> None:
        """Moves files to their keys durably; the caller has flushed their contents to the disk.

        Raises OSError, after it has deleted the files that it had moved.
        """
        await asyncio.to_thread(self._store, moves)

    def delete_stale(self) -> None:
        """Deletes the folders of requests that a crash interrupted."""
        for folder in (self._root / INCOMING).iterdir():
            if time.time() - folder.stat().st_mtime > _STALE_AFTER_S:
                logger.info("deleting an upload that a crash interrupted", folder=folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def _store(self, moves: Sequence[Move]) -> None:
        created: list[Path] = []
        try:
            for move in moves:
                target = self._root / move.key
                create_folder(target.parent)
                is_new = not target.exists()
                move.source.replace(target)
                if is_new:
                    created.append(target)
            fsync_folders({(self._root / move.key).parent for move in moves})
        except OSError:
            for path in created:
                path.unlink(missing_ok=True)
            raise


async def _feed(request: Request, limits: BodyLimits, form: FormParser) -> None:
    buffer = bytearray()
    async for chunk in read_chunks(request, limits):
        buffer += chunk
        if len(buffer) >= _WRITE_BYTES:
            await asyncio.to_thread(form.feed, bytes(buffer))
            buffer.clear()
    await asyncio.to_thread(form.feed, bytes(buffer))
    form.finish()


def _not_stored(error: OSError) -> ProblemError:
    return ProblemError(
        507,
        "Upload not stored",
        f"The disk does not store the files: {error.strerror or error}; ingest stored nothing",
        headers={"Retry-After": "30"},
    )
