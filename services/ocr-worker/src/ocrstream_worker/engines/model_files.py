"""Files of models: what they are (SHA-256), where they lie, and how one may be fetched."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocrstream_worker.engines.errors import EngineUnavailableError

_PART_BYTES = 1024 * 1024
_MAX_BYTES = 2 * 1024**3
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ModelFile:
    """A model as its publisher lists it. `sha256` may be the first digits only."""

    name: str
    url: str
    sha256: str


def hash_files(paths: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 by `role/file name`. Raises EngineUnavailableError if one cannot be read."""
    return {f"{role}/{path.name}": sha256_of(path) for role, path in paths.items()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits. Raises EngineUnavailableError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineUnavailableError(f"cannot read the model {path}: {error.strerror}") from error


def find_or_fetch(model: ModelFile, folder: Path, *, fetch: bool) -> Path | None:
    """Where the model lies; fetched into the folder if it is not there and `fetch` allows it.

    Raises EngineUnavailableError if the file there, or the one fetched, is another than the one listed.
    """
    path = folder / model.name
    if not path.is_file():
        if not fetch:
            return None
        _fetch(model, path)
    digest = sha256_of(path)
    if not digest.startswith(model.sha256):
        raise EngineUnavailableError(
            f"{path} is not the model that its publisher lists: its SHA-256 is {digest} and should"
            f" begin with {model.sha256}. Remove it"
        )
    return path


def _fetch(model: ModelFile, path: Path) -> None:
    # One that waits beside it is of another process, which fetches the same.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(model.url, partial)
        if not digest.startswith(model.sha256):
            raise EngineUnavailableError(
                f"what {model.url} sends is not the model listed: its SHA-256 is {digest} and"
                f" should begin with {model.sha256}"
            )
        partial.replace(path)
    except (OSError, urllib.error.URLError) as error:
        raise EngineUnavailableError(f"cannot fetch {model.url} to {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _download(url: str, path: Path) -> str:
    """Writes what the address sends into the file; returns its SHA-256."""
    digest = hashlib.sha256()
    size = 0
    # Its publisher's list names the address; what it sends is checked against the list's hash.
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,  # noqa: S310
        path.open("wb") as file,
    ):
        while part := response.read(_PART_BYTES):
            size += len(part)
            if size > _MAX_BYTES:
                raise EngineUnavailableError(f"{url} sends more than {_MAX_BYTES} bytes")
            digest.update(part)
            file.write(part)
    return digest.hexdigest()
