"""Watches folders for complete files."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.file_search import find_files
from ocrstream_client.watch_state import FileVersion

POLL_S = 1.0
STABLE_AFTER_S = 2.0


def watch_folders(
    folders: Sequence[Path],
    submitted: Mapping[Path, FileVersion],
    *,
    poll_s: float = POLL_S,
    stable_after_s: float = STABLE_AFTER_S,
) -> Iterator[dict[Path, FileVersion]]:
    """Yields groups of files, without end: existing files first, then new and changed ones.

    Leaves out the `submitted` files that have not changed.

    A file is complete when neither its size nor its modification time has changed for
    `stable_after_s`; files that are complete in the same scan form a group. It polls the folders,
    because file system events do not work on network file systems. It ignores deleted files.
    """
    yielded = dict(submitted)
    pending: dict[Path, tuple[FileVersion, float]] = {}
    while True:
        now = time.monotonic()
        found = _scan(folders)
        complete: dict[Path, FileVersion] = {}
        for file, version in found.items():
            if yielded.get(file) == version:
                continue
            known, since = pending.get(file, (None, now))
            if known != version:
                pending[file] = (version, now)
            elif now - since >= stable_after_s:
                complete[file] = yielded[file] = version
                del pending[file]
        # Deleted files are removed, because a spool folder would otherwise fill the memory.
        for known_files in (yielded, pending):
            for file in known_files.keys() - found.keys():
                del known_files[file]
        if complete:
            yield complete
        time.sleep(poll_s)


def _scan(folders: Sequence[Path]) -> dict[Path, FileVersion]:
    found: dict[Path, FileVersion] = {}
    for folder in folders:
        try:
            files = find_files([str(folder)], documents=True)
        except NotSubmittableError:
            continue  # the folder is empty now
        for file in (found_file.path for found_file in files):
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            if status.st_size:
                found[file] = (status.st_mtime_ns, status.st_size)
    return found
