"""Lists the names beneath a prefix of a folder or an object store."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from ocrstream_runtime.errors import ProblemError

_PAGE_SIZE = 1000
_MAX_DEPTH = 64


class PrefixLister:
    """Lists folders beneath `roots` and prefixes beneath `stores`, and no others.

    It uses ingest's own credentials for the stores, so a client sees only what the settings allow.
    """

    def __init__(self, roots: tuple[Path, ...], stores: tuple[str, ...]) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._stores = tuple(store.rstrip("/") + "/" for store in stores)

    def list_references(self, prefix: str, glob: str) -> AsyncGenerator[list[str]]:
        """Yields the references that match the glob, a page at a time, ordered by name.

        Raises ProblemError: 422 if the prefix is not valid or not allowed; 503, from the iteration,
        if the store does not respond.
        """
        if urlsplit(prefix).scheme == "file":
            return _pages_in_thread(_walk(self._folder(prefix), glob))
        if any(part in {".", ".."} for part in unquote(urlsplit(prefix).path).split("/")):
            raise _not_allowed(prefix, "contains . or ..")
        if not any(prefix.startswith(store) for store in self._stores):
            allowed = ", ".join(self._stores) or "none"
            raise _not_allowed(
                prefix,
                f"is not beneath an allowed prefix ({allowed}); to allow it, add it to"
                " OCRSTREAM_LISTED_STORES",
            )
        return _list_objects(prefix, glob)

    def _folder(self, prefix: str) -> Path:
        parts = urlsplit(prefix)
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise _not_allowed(prefix, "must have the form file:///folder/")
        try:
            folder = Path(unquote(parts.path)).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise _not_allowed(prefix, "is not a folder's path") from error
        # Checked before the existence of the folder, which a client must not learn.
        if not any(folder.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots) or "none"
            raise _not_allowed(
                prefix,
                f"is outside the allowed folders ({allowed}); to allow it, add it to"
                " OCRSTREAM_IMAGE_ROOTS (colon-separated) of ingest and of the workers",
            )
        if not folder.is_dir():
            raise _not_allowed(prefix, "is not a folder")
        return folder


def _walk(folder: Path, glob: str, parent: str = "", depth: int = 0) -> Iterator[str]:
    """Yields regular files, sorted within each folder; skips links, which may lead outside."""
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    for entry in entries:
        name = parent + entry.name
        if entry.is_dir(follow_symlinks=False):
            if depth < _MAX_DEPTH:
                yield from _walk(Path(entry.path), glob, name + "/", depth + 1)
        elif entry.is_file(follow_symlinks=False) and fnmatchcase(name, glob):
            yield Path(entry.path).as_uri()


async def _pages_in_thread(names: Iterator[str]) -> AsyncGenerator[list[str]]:
    try:
        while page := await asyncio.to_thread(lambda: list(islice(names, _PAGE_SIZE))):
            yield page
    except OSError as error:
        raise _listing_failed(error) from error


async def _list_objects(prefix: str, glob: str) -> AsyncGenerator[list[str]]:
    # Keys are literal, as for the workers: `%`, `?` and `#` have no special meaning.
    scheme, _, rest = prefix.partition("://")
    bucket, _, path = rest.partition("/")
    try:
        store = from_url(f"{scheme}://{bucket}")
        # The store lists by folder; the text after the last "/" filters the names.
        folder, _, name_prefix = path.rpartition("/")
        base = f"{folder}/" if folder else ""
        async for page in store.list(base, chunk_size=_PAGE_SIZE):
            names = [entry["path"] for entry in page]
            matches = [
                name
                for name in names
                if name.startswith(base + name_prefix)
                and fnmatchcase(name[len(base + name_prefix) :], glob)
            ]
            if matches:
                yield [f"{scheme}://{bucket}/{name}" for name in matches]
    except BaseError as error:
        raise _listing_failed(error) from error
    except ValueError as error:
        raise _not_allowed(prefix, "names a store that ingest cannot list") from error


def _not_allowed(prefix: str, reason: str) -> ProblemError:
    return ProblemError(
        422,
        "The prefix cannot be listed",
        f"{prefix} {reason}",
        errors=[{"pointer": "#/prefix", "detail": reason}],
    )


def _listing_failed(error: Exception) -> ProblemError:
    reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return ProblemError(503, "Listing failed", reason, headers={"Retry-After": "5"})
