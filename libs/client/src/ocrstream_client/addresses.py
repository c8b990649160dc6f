"""Where ingest and the recorder are."""

import os
from dataclasses import dataclass
from pathlib import Path

from ocrstream_client.errors import Unreachable

STACK_ENV = Path(".local") / "stack.env"


@dataclass(frozen=True)
class Addresses:
    """Base URLs of the two services that clients speak to."""

    ingest_url: str
    recorder_url: str


def find_addresses(folder: Path | None = None) -> Addresses:
    """INGEST_URL and RECORDER_URL from the environment, else from the nearest local stack's file.

    The file is looked for from `folder` (default: the working one) upwards. Raises Unreachable.
    """
    found = {**_from_file(folder or Path.cwd()), **os.environ}
    try:
        return Addresses(found["INGEST_URL"].rstrip("/"), found["RECORDER_URL"].rstrip("/"))
    except KeyError as missing:
        raise Unreachable(
            f"{missing.args[0]} is not set and no {STACK_ENV} is here or above."
            " Start a stack with: make up, or set INGEST_URL and RECORDER_URL"
        ) from None


def _from_file(folder: Path) -> dict[str, str]:
    for place in (folder, *folder.parents):
        file = place / STACK_ENV
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            return dict(line.split("=", 1) for line in lines if "=" in line)
    return {}
