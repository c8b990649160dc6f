"""Checks whether ingest can store uploads."""

import asyncio
import os
from pathlib import Path

from ocrstream_ingest.fsync_files import fsync_file
from ocrstream_runtime.errors import NotReadyError

_PROBE = b"ocrstream object store probe"


class ObjectStoreCheck:
    """Writes, reads and deletes a small file in the object root.

    A file system that hangs blocks one thread, however often the check runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._probing: asyncio.Future[None] | None = None

    async def check(self) -> None:
        """Raises NotReadyError if the folder is not usable; the message says why."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().run_in_executor(None, _probe, self._root)
        try:
            # A caller that times out does not cancel the probe, which the next caller waits for.
            await asyncio.shield(self._probing)
        except OSError as error:
            reason = error.strerror or str(error)
            raise NotReadyError(
                f"OCRSTREAM_OBJECT_ROOT={self._root} is not usable: {reason}"
            ) from error


def _probe(root: Path) -> None:
    probe = root / f".probe-{os.urandom(8).hex()}"
    try:
        probe.write_bytes(_PROBE)
        fsync_file(probe)
        if probe.read_bytes() != _PROBE:
            raise OSError(f"{probe.name} reads otherwise than it was written")
    finally:
        probe.unlink(missing_ok=True)
