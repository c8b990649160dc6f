"""Reads `file://` references: files beneath allowed folders, after links are resolved."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.references import too_large_error

_NOT_FOUND = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR}


class AllowedFolders:
    """Reads files beneath `roots`. Its methods block, and a file system may hang."""

    def __init__(self, roots: Iterable[Path], *, max_bytes: int) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._max_bytes = max_bytes

    def read(self, reference: str) -> bytes:
        """Returns the content of the file that a `file://` URL names. Raises FetchError."""
        path = self._allowed_path(reference)
        try:
            return self._read_file(path)
        except OSError as error:
            raise _fetch_error(error, path) from error

    def _allowed_path(self, reference: str) -> Path:
        path = _path_of(reference)
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a cycle of links
            raise FetchError(FetchFailure.REFUSED, f"{path} cannot be resolved: {error}") from error
        # Checked before the existence of the file, which a client must not learn.
        if not any(resolved.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots) or "none"
            raise FetchError(
                FetchFailure.REFUSED,
                f"{resolved} is outside the allowed folders ({allowed}); to"
                " allow its folder, add it to OCRSTREAM_IMAGE_ROOTS (colon-separated) and"
                " restart the service",
            )
        return resolved

    def _read_file(self, path: Path) -> bytes:
        # O_NONBLOCK, because opening a pipe would wait for its writer. O_NOFOLLOW, because the path
        # is resolved, so a link there now is newer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - takes over the descriptor
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise FetchError(FetchFailure.REFUSED, f"{path} is not a regular file")
            if status.st_size > self._max_bytes:
                raise too_large_error(str(path), f"{status.st_size:,}", self._max_bytes)
            data = file.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise too_large_error(str(path), f"over {self._max_bytes:,}", self._max_bytes)
        return data


def _path_of(reference: str) -> Path:
    try:
        parts = urlsplit(reference)
    except ValueError as error:
        raise FetchError(FetchFailure.REFUSED, f"{reference!r} is not a URL: {error}") from error
    if parts.netloc not in {"", "localhost"}:
        raise FetchError(
            FetchFailure.REFUSED,
            f"{reference!r} names the host {parts.netloc!r}; write file:/// with three slashes",
        )
    if "?" in reference or "#" in reference:
        raise FetchError(
            FetchFailure.REFUSED,
            f"{reference!r} contains '?' or '#'; in a file name write %3F or %23",
        )
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if "\0" in path or not path.startswith("/"):
        raise FetchError(FetchFailure.REFUSED, f"{reference!r} has no absolute path")
    return Path(path)


def _fetch_error(error: OSError, path: Path) -> FetchError:
    reason = error.strerror or str(error)
    if error.errno in _NOT_FOUND:
        return FetchError(FetchFailure.NOT_FOUND, f"{path} does not exist")
    if error.errno in _REFUSED:
        return FetchError(FetchFailure.REFUSED, f"{path} cannot be read by the service: {reason}")
    return FetchError(FetchFailure.UNREACHABLE, f"{path} could not be read: {reason}")
