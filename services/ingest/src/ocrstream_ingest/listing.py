"""What is beneath a prefix, a folder's or an object store's."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from ocrstream_runtime.problems import Problem

_AT_ONCE = 1000
_MAX_DEPTH = 64


class Listing:
    """Lists folders beneath `roots` and prefixes beneath `stores`; nothing else.

    Credentials for stores are ingest's own, taken from its environment: so only what is named is
    shown to clients.
    """

    def __init__(self, roots: tuple[Path, ...], stores: tuple[str, ...]) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._stores = tuple(store.rstrip("/") + "/" for store in stores)

    def references(self, prefix: str, glob: str) -> AsyncGenerator[list[str]]:
        """References of what matches, some at a time, in the order of their names.

        Raises Problem: 422 if the prefix may not be listed or is none, and from the iteration 503
        if the store does not answer.
        """
        if urlsplit(prefix).scheme == "file":
            return _from_thread(_files(self._folder(prefix), glob))
        if any(part in {".", ".."} for part in unquote(urlsplit(prefix).path).split("/")):
            raise _refused(prefix, "holds . or ..")
        if not any(prefix.startswith(store) for store in self._stores):
            allowed = ", ".join(self._stores) or "none"
            raise _refused(
                prefix,
                f"is not beneath what may be listed ({allowed}); to allow it, add it to"
                " OCRSTREAM_LISTED_STORES",
            )
        return _objects(prefix, glob)

    def _folder(self, prefix: str) -> Path:
        parts = urlsplit(prefix)
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise _refused(prefix, "must be like file:///folder/")
        try:
            folder = Path(unquote(parts.path)).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise _refused(prefix, "is no folder's path") from error
        # Before looking whether it exists: what lies outside is nobody's business.
        if not any(folder.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots) or "none"
            raise _refused(
                prefix,
                f"is outside the folders that may be listed ({allowed}); to allow it, add it to"
                " OCRSTREAM_IMAGE_ROOTS (colon-separated) of ingest and of the workers",
            )
        if not folder.is_dir():
            raise _refused(prefix, "is no folder")
        return folder


def _files(folder: Path, glob: str, beneath: str = "", depth: int = 0) -> Iterator[str]:
    """Regular files, each folder's in order; links are not followed, they may lead outside."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = beneath + entry.name
        if entry.is_dir(follow_symlinks=False):
            if depth < _MAX_DEPTH:
                yield from _files(Path(entry.path), glob, name + "/", depth + 1)
        elif entry.is_file(follow_symlinks=False) and fnmatchcase(name, glob):
            yield Path(entry.path).as_uri()


async def _from_thread(names: Iterator[str]) -> AsyncGenerator[list[str]]:
    try:
        while group := await asyncio.to_thread(lambda: list(islice(names, _AT_ONCE))):
            yield group
    except OSError as error:
        raise _unlisted(error) from error


async def _objects(prefix: str, glob: str) -> AsyncGenerator[list[str]]:
    # Keys are taken literally, as workers take them: `%`, `?` and `#` mean themselves.
    scheme, _, place = prefix.partition("://")
    bucket, _, path = place.partition("/")
    try:
        store = from_url(f"{scheme}://{bucket}")
        # A store's prefix ends at a "/"; what follows the last one is part of the names' match.
        folder, _, begin = path.rpartition("/")
        base = f"{folder}/" if folder else ""
        async for group in store.list(base, chunk_size=_AT_ONCE):
            names = [one["path"] for one in group]
            chosen = [
                name
                for name in names
                if name.startswith(base + begin) and fnmatchcase(name[len(base + begin) :], glob)
            ]
            if chosen:
                yield [f"{scheme}://{bucket}/{name}" for name in chosen]
    except BaseError as error:
        raise _unlisted(error) from error
    except ValueError as error:
        raise _refused(prefix, "is of no store that can be listed") from error


def _refused(prefix: str, why: str) -> Problem:
    return Problem(
        422,
        "The prefix cannot be listed",
        f"{prefix} {why}",
        errors=[{"pointer": "#/prefix", "detail": why}],
    )


def _unlisted(error: Exception) -> Problem:
    reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return Problem(503, "Listing failed", reason, headers={"Retry-After": "5"})
