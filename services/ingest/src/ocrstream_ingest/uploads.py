"""Keeps uploaded files where the workers find them."""

import asyncio
import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import obstore
from obstore.store import LocalStore

from ocrstream_runtime.problems import Problem

_BLOCK_BYTES = 1 << 20
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


class Uploads:
    """Files under `root`, each written whole or not at all.

    A file's place tells batch, index and content, so two submissions never share one, and the same
    submission again finds the same.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root.resolve()
        self._max_bytes = max_bytes
        self._store = LocalStore(prefix=self._root, mkdir=True)

    async def keep(self, file: BinaryIO, name: str | None, batch_id: str, index: int | None) -> str:
        """Store a file and return its `file://` reference.

        Raises Problem (413) if it is too large, OSError if it cannot be stored.
        """
        content = await asyncio.to_thread(self._digest, file, name)
        batch = hashlib.sha256(batch_id.encode()).hexdigest()[:20]
        place = "x" if index is None else str(index)
        suffix = _SUFFIX.search(PurePosixPath(name or "").name)
        path = f"uploads/{batch}/{place}-{content[:20]}{suffix.group().lower() if suffix else ''}"
        await obstore.put_async(self._store, path, file)
        return (self._root / path).as_uri()

    def _digest(self, file: BinaryIO, name: str | None) -> str:
        digest, size = hashlib.sha256(), 0
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            if size > self._max_bytes:
                raise Problem(
                    413,
                    "File too large",
                    f"{name or 'A file'} is larger than {self._max_bytes:,} bytes"
                    " (OCRSTREAM_MAX_UPLOAD_BYTES)",
                )
        file.seek(0)
        return digest.hexdigest()
