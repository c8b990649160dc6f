"""New files in folders, once they are complete."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocrstream_client.errors import NotSubmittable
from ocrstream_client.walk import find_files

POLL_S = 1.0
SETTLED_AFTER_S = 2.0

_Shape = tuple[int, int]
"""Modification time in ns and size of a file."""


def arrivals(
    folders: Sequence[Path], *, poll_s: float = POLL_S, settled_after_s: float = SETTLED_AFTER_S
) -> Iterator[list[Path]]:
    """Files in the folders, those there at first included, each once for each of its contents.

    A file is complete when neither its size nor its time has changed for `settled_after_s`; those
    complete at one look come together. Never ends. Folders are looked through, not subscribed to,
    so that network file systems work; of a file that is gone by then nothing is said.
    """
    given: dict[Path, _Shape] = {}
    waiting: dict[Path, tuple[_Shape, float]] = {}
    while True:
        now = time.monotonic()
        found = _look(folders)
        complete: list[Path] = []
        for file, shape in found.items():
            if given.get(file) == shape:
                continue
            known, since = waiting.get(file, (None, now))
            if known != shape:
                waiting[file] = (shape, now)
            elif now - since >= settled_after_s:
                complete.append(file)
                given[file] = shape
                del waiting[file]
        # What was deleted is forgotten, or a spool folder would fill the memory.
        for known_files in (given, waiting):
            for file in known_files.keys() - found.keys():
                del known_files[file]
        if complete:
            yield complete
        time.sleep(poll_s)


def _look(folders: Sequence[Path]) -> dict[Path, _Shape]:
    found: dict[Path, _Shape] = {}
    for folder in folders:
        try:
            files = find_files([str(folder)], documents=True)
        except NotSubmittable:
            continue  # it is empty now
        for file in files:
            try:
                told = file.stat()
            except FileNotFoundError:
                continue
            if told.st_size:
                found[file] = (told.st_mtime_ns, told.st_size)
    return found
