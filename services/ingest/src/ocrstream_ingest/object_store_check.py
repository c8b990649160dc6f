"""Whether uploads can be kept now."""

import asyncio
import os
from pathlib import Path

from ocrstream_ingest.durable import sync_file
from ocrstream_runtime.health import NotReady

_PROBE = b"written to see whether uploads can be kept"


class ObjectStoreCheck:
    """Tries to write, read and remove a small file in the object root.

    A file system that hangs holds up one thread, however often it is asked.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trying: asyncio.Future[None] | None = None

    async def check(self) -> None:
        """Raises NotReady, which says what is wrong with the folder."""
        if self._trying is None or self._trying.done():
            self._trying = asyncio.get_running_loop().run_in_executor(None, _try, self._root)
        try:
            # Whoever stops waiting does not end the thread.
            await asyncio.shield(self._trying)
        except OSError as error:
            said = error.strerror or str(error)
            raise NotReady(f"OCRSTREAM_OBJECT_ROOT={self._root} cannot be used: {said}") from error


def _try(root: Path) -> None:
    probe = root / f".probe-{os.urandom(8).hex()}"
    try:
        probe.write_bytes(_PROBE)
        sync_file(probe)
        if probe.read_bytes() != _PROBE:
            raise OSError(f"{probe.name} reads otherwise than it was written")
    finally:
        probe.unlink(missing_ok=True)
