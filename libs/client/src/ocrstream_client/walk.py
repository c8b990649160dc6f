"""From what the user names to the files it stands for."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrstream_client.errors import NotSubmittable

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files in folders and globs are taken by these endings; one named by itself always is."""

DOCUMENT_SUFFIXES = frozenset({".pdf"})
"""Those that ingest makes into an image a page: for uploads only."""

MAX_FILES = 1_000_000


def find_files(names: Iterable[str], *, documents: bool = False) -> list[Path]:
    """The files, sorted within each folder or glob, each once; with `documents` these, too.

    Raises NotSubmittable if a name stands for nothing, or for more than a million files.
    """
    suffixes = SUFFIXES | DOCUMENT_SUFFIXES if documents else SUFFIXES
    found: dict[Path, None] = {}
    for name in names:
        before = len(found)
        for path in _expand(name, suffixes):
            found[path] = None
            if len(found) > MAX_FILES:
                raise NotSubmittable(f"More than {MAX_FILES:,} files; submit them in parts")
        if len(found) == before and not Path(name).is_file():
            raise NotSubmittable(f"There is no image in or at {name}")
    return list(found)


def _expand(name: str, suffixes: frozenset[str]) -> Iterator[Path]:
    path = Path(name)
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from _in_folder(path, suffixes)
    elif glob.has_magic(name):
        for match in sorted(glob.iglob(name, recursive=True)):  # noqa: PTH207 - absolute ones, too
            if Path(match).is_file() and _suffix(match) in suffixes:
                yield Path(match)
    else:
        raise NotSubmittable(f"There is no file or folder {name}")


def _in_folder(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    # Links to folders are not followed, so there is no circle to be caught in.
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            if _suffix(file) in suffixes and not file.startswith("."):
                yield Path(parent) / file


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
