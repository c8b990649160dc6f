"""`file://` references: files beneath allowed folders, links resolved, up to a size."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ocrstream_runtime.references import Trouble, UnreadableFile, too_large

_NOT_FOUND = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR}


class AllowedFolders:
    """Reads files beneath `roots`. Blocks; a file system may hang."""

    def __init__(self, roots: Iterable[Path], *, max_bytes: int) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._max_bytes = max_bytes

    def read(self, reference: str) -> bytes:
        """The whole file that a `file://` URL names. Raises UnreadableFile."""
        path = self._allowed_path(reference)
        try:
            return self._read_file(path)
        except OSError as error:
            raise _translated(error, path) from error

    def _allowed_path(self, reference: str) -> Path:
        path = _path_of(reference)
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise UnreadableFile(Trouble.REFUSED, f"{path} cannot be resolved: {error}") from error
        # Before looking whether it exists: what lies outside is nobody's business.
        if not any(resolved.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots) or "none"
            raise UnreadableFile(
                Trouble.REFUSED,
                f"{resolved} is outside the folders that references may point into ({allowed});"
                " to allow its folder, add it to OCRSTREAM_IMAGE_ROOTS (colon-separated) and"
                " restart the service",
            )
        return resolved

    def _read_file(self, path: Path) -> bytes:
        # Not blocking: opening a pipe would wait for its writer. No link: the path is resolved, so
        # one that is there now was put there since.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - takes over the descriptor
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(Trouble.REFUSED, f"{path} is no regular file")
            if status.st_size > self._max_bytes:
                raise too_large(str(path), f"{status.st_size:,}", self._max_bytes)
            data = file.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise too_large(str(path), f"over {self._max_bytes:,}", self._max_bytes)
        return data


def _path_of(reference: str) -> Path:
    try:
        parts = urlsplit(reference)
    except ValueError as error:
        raise UnreadableFile(Trouble.REFUSED, f"{reference!r} is no URL: {error}") from error
    if parts.netloc not in {"", "localhost"}:
        raise UnreadableFile(
            Trouble.REFUSED,
            f"{reference!r} names the host {parts.netloc!r}; write file:/// with three slashes",
        )
    if "?" in reference or "#" in reference:
        raise UnreadableFile(
            Trouble.REFUSED,
            f"{reference!r} holds '?' or '#'; in a file's name write %3F or %23",
        )
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if "\0" in path or not path.startswith("/"):
        raise UnreadableFile(Trouble.REFUSED, f"{reference!r} holds no absolute path")
    return Path(path)


def _translated(error: OSError, path: Path) -> UnreadableFile:
    why = error.strerror or str(error)
    if error.errno in _NOT_FOUND:
        return UnreadableFile(Trouble.NOT_FOUND, f"{path} does not exist")
    if error.errno in _REFUSED:
        return UnreadableFile(Trouble.REFUSED, f"{path} cannot be read by the service: {why}")
    return UnreadableFile(Trouble.UNREACHABLE, f"{path} could not be read: {why}")
