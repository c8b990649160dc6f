"""Files that are there after a power cut once a call has returned."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path


def sync_file(path: Path) -> None:
    """Returns when the file's content is on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folders(folders: Iterable[Path]) -> None:
    """Returns when the folders' names are on the disk."""
    for folder in folders:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, each on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folders([folder.parent])


def write_new(path: Path, content: bytes) -> bool:
    """Make a file with this content, whole, unless there is one; whether it was made.

    Of several that try at once, on any machine that shares the file system, one succeeds. Raises
    OSError if the disk is full or fails.
    """
    with _draft(path, content) as draft:
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return False
    sync_folders([path.parent])
    return True


def write_over(path: Path, content: bytes) -> None:
    """Replace a file's content; who reads it meanwhile finds the old or the new, whole.

    Raises OSError if the disk is full or fails.
    """
    with _draft(path, content) as draft:
        draft.replace(path)
    sync_folders([path.parent])


@contextmanager
def _draft(path: Path, content: bytes) -> Generator[Path]:
    """A file beside `path` with this content, on the disk; gone afterwards, whatever fails."""
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
