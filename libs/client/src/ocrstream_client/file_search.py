"""Finds the files that a user's names mean."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrstream_client.errors import NotSubmittableError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""A folder or glob yields files with these suffixes; a file may also be named directly."""

DOCUMENT_SUFFIXES = frozenset({".pdf"})
"""Documents, of which ingest makes an image per page; only for uploads."""

MAX_FILES = 1_000_000


def find_files(names: Iterable[str], *, documents: bool = False) -> list[Path]:
    """Returns the files without duplicates, sorted within each folder or glob.

    With `documents` it includes documents. Raises NotSubmittableError if a name matches no file, or
    if there are more than a million files.
    """
    suffixes = SUFFIXES | DOCUMENT_SUFFIXES if documents else SUFFIXES
    found: dict[Path, None] = {}
    for name in names:
        before = len(found)
        for path in _expand(name, suffixes):
            found[path] = None
            if len(found) > MAX_FILES:
                raise NotSubmittableError(f"More than {MAX_FILES:,} files; submit them in parts")
        if len(found) == before and not Path(name).is_file():
            raise NotSubmittableError(f"There is no image in or at {name}")
    return list(found)


def _expand(name: str, suffixes: frozenset[str]) -> Iterator[Path]:
    path = Path(name)
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from _in_folder(path, suffixes)
    elif glob.has_magic(name):
        for match in sorted(glob.iglob(name, recursive=True)):  # noqa: PTH207 - Path.glob accepts no absolute pattern
            if Path(match).is_file() and _suffix(match) in suffixes:
                yield Path(match)
    else:
        raise NotSubmittableError(f"There is no file or folder {name}")


def _in_folder(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    # os.walk does not follow links to folders, so it cannot enter a cycle.
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if _suffix(file) in suffixes and not file.startswith("."):
                yield Path(parent) / file


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
