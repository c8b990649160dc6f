"""Finds the URLs of the system."""

import os
from dataclasses import dataclass
from pathlib import Path

from ocrstream_client.errors import UnreachableError

STACK_ENV = Path(".local") / "stack.env"


@dataclass(frozen=True)
class Addresses:
    """The base URLs of the two services that a client calls."""

    ingest_url: str
    recorder_url: str


def find_settings(folder: Path | None = None) -> dict[str, str]:
    """Returns the environment, and as defaults the variables of the nearest local stack's file.

    Searches the file in `folder` (default: the working folder) and its parents.
    """
    return {**_from_file(folder or Path.cwd()), **os.environ}


def find_addresses(folder: Path | None = None) -> Addresses:
    """Returns INGEST_URL and RECORDER_URL of `find_settings`.

    Raises UnreachableError if one is missing.
    """
    found = find_settings(folder)
    missing = [name for name in ("INGEST_URL", "RECORDER_URL") if not found.get(name)]
    if missing:
        raise UnreachableError(
            f"{' and '.join(missing)} not set, and no {STACK_ENV} is in this folder or above."
            " Start a stack with: make up, or set INGEST_URL and RECORDER_URL, like"
            " INGEST_URL=http://127.0.0.1:8000"
        )
    return Addresses(found["INGEST_URL"].rstrip("/"), found["RECORDER_URL"].rstrip("/"))


def _from_file(folder: Path) -> dict[str, str]:
    for parent in (folder, *folder.parents):
        file = parent / STACK_ENV
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            return dict(line.split("=", 1) for line in lines if "=" in line)
    return {}
