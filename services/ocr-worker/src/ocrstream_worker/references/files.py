"""Fetches `file://` references beneath the allowed folders."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

from ocrstream_runtime.errors import FetchError
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_worker.references.port import to_image_error


class FileFetcher:
    """Reads files beneath `roots`, links resolved; on `threads`, because a file system may hang."""

    def __init__(self, roots: Iterable[Path], threads: Executor, *, max_bytes: int) -> None:
        self._folders = AllowedFolders(roots, max_bytes=max_bytes)
        self._threads = threads

    async def fetch(self, reference: str) -> bytes:
        """See `Fetcher.fetch`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._read, reference
        )

    def _read(self, reference: str) -> bytes:
        try:
            return self._folders.read(reference)
        except FetchError as error:
            raise to_image_error(error) from error
