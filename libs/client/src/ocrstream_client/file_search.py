"""Finds the files that a user's names mean."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class LocalFile(os.PathLike[str]):
    """A file, and its path relative to what was submitted; if it was named itself, its name."""

    path: Path
    source_name: str

    @classmethod
    def found_in(cls, path: Path, folder: Path) -> "LocalFile":
        """Returns a file that was found because `folder` was submitted."""
        relative = path.relative_to(folder)
        # A pattern like `*/../a.png` leads out of its own folder.
        name = relative.name if ".." in relative.parts else relative.as_posix()
        # A name that is not in UTF-8 contains surrogates, which no request can carry.
        return cls(path, os.fsencode(name).decode("utf-8", "replace"))

    def __fspath__(self) -> str:
        """Returns its path."""
        return str(self.path)


FileLeftOut = Callable[[Path], object]
"""A callback with each file of a folder or glob whose name is not that of an image."""


def find_files(
    names: Iterable[str],
    *,
    documents: bool = False,
    on_left_out: FileLeftOut = lambda _: None,
) -> list[LocalFile]:
    """Returns the files without duplicates, sorted within each folder or glob.

    With `documents` it includes documents. Raises NotSubmittableError if a name matches no file, or
    if there are more than a million files.
    """
    suffixes = SUFFIXES | DOCUMENT_SUFFIXES if documents else SUFFIXES
    found: dict[Path, LocalFile] = {}
    for name in names:
        before = len(found)
        for path, folder in _expand(name, suffixes, on_left_out):
            if path not in found:
                found[path] = LocalFile.found_in(path, folder)
            if len(found) > MAX_FILES:
                raise NotSubmittableError(f"More than {MAX_FILES:,} files; submit them in parts")
        if len(found) == before and not Path(name).is_file():
            raise NotSubmittableError(f"There is no image in or at {name}")
    return list(found.values())


def _expand(
    name: str, suffixes: frozenset[str], on_left_out: FileLeftOut
) -> Iterator[tuple[Path, Path]]:
    """Yields files, each with the folder that its name is relative to."""
    path = Path(name)
    if path.is_file():
        yield path, path.parent
    elif path.is_dir():
        for file in _in_folder(path, suffixes, on_left_out):
            yield file, path
    elif glob.has_magic(name):
        folder = next(one for one in path.parents if not glob.has_magic(str(one)))
        for match in sorted(glob.iglob(name, recursive=True)):  # noqa: PTH207 - Path.glob accepts no absolute pattern
            if not Path(match).is_file():
                continue
            if _suffix(match) in suffixes:
                yield Path(match), folder
            else:
                on_left_out(Path(match))
    else:
        raise NotSubmittableError(f"There is no file or folder {name}")


def _in_folder(folder: Path, suffixes: frozenset[str], on_left_out: FileLeftOut) -> Iterator[Path]:
    # os.walk does not follow links to folders, so it cannot enter a cycle.
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if file.startswith("."):
                continue
            if _suffix(file) in suffixes:
                yield Path(parent) / file
            else:
                on_left_out(Path(parent) / file)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
