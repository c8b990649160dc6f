"""File operations that survive a power failure once they return."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path


def fsync_file(path: Path) -> None:
    """Flushes the file's content to the disk."""
    _fsync(path, os.O_RDONLY)


def fsync_folders(folders: Iterable[Path]) -> None:
    """Flushes the directory entries of the folders to the disk."""
    for folder in folders:
        _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def create_folder(folder: Path) -> None:
    """Creates the folder and its missing parents, and flushes each to the disk."""
    if folder.is_dir():
        return
    create_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folders([folder.parent])


def create_file(path: Path, content: bytes) -> bool:
    """Creates a file with this content atomically; returns False if the file already exists.

    Of several concurrent calls, on any machine that shares the file system, one succeeds. Raises
    OSError if the disk is full or fails.
    """
    with _temporary_file(path, content) as temporary:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
    fsync_folders([path.parent])
    return True


def replace_file(path: Path, content: bytes) -> None:
    """Replaces a file's content atomically: a reader sees either the old or the new content.

    Raises OSError if the disk is full or fails.
    """
    with _temporary_file(path, content) as temporary:
        temporary.replace(path)
    fsync_folders([path.parent])


@contextmanager
def _temporary_file(path: Path, content: bytes) -> Generator[Path]:
    """Yields a flushed file with this content beside `path`, and deletes it afterwards."""
    create_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
