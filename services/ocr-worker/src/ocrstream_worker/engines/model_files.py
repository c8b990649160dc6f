"""Model files: their SHA-256, where they lie, and how to download them."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocrstream_worker.engines.errors import EngineUnavailableError

_CHUNK_BYTES = 1024 * 1024
_MAX_BYTES = 2 * 1024**3
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ModelFile:
    """A model in its publisher's list. `sha256` may be the first digits only."""

    name: str
    url: str
    sha256: str


def hash_files(paths: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of each file, by `role/file name`.

    Raises EngineUnavailableError if a file cannot be read.
    """
    return {f"{role}/{path.name}": sha256_of(path) for role, path in paths.items()}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits.

    Raises EngineUnavailableError if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineUnavailableError(f"cannot read the model {path}: {error.strerror}") from error


def find_or_fetch(model: ModelFile, folder: Path, *, fetch: bool) -> Path | None:
    """The model's path; downloads it into the folder if it is missing and `fetch` allows it.

    Raises EngineUnavailableError if the file has another hash than the list says.
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
    # The name includes the process id: another process may download the same model.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(model.url, partial)
        if not digest.startswith(model.sha256):
            raise EngineUnavailableError(
                f"the content of {model.url} is not the listed model: its SHA-256 is {digest} and"
                f" should begin with {model.sha256}"
            )
        partial.replace(path)
    except (OSError, urllib.error.URLError) as error:
        raise EngineUnavailableError(f"cannot fetch {model.url} to {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _download(url: str, path: Path) -> str:
    """Downloads the URL into the file; returns its SHA-256."""
    digest = hashlib.sha256()
    size = 0
    # The URL and the hash that the content is checked against come from the publisher's list.
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,  # noqa: S310
        path.open("wb") as file,
    ):
        while chunk := response.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > _MAX_BYTES:
                raise EngineUnavailableError(f"{url} sends more than {_MAX_BYTES} bytes")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
