"""A disk that can be full."""

import errno
import os
from pathlib import Path

import httpx

from ocrstream_ingest.idempotency import FOLDER


class Disk:
    """Nothing more gets on the disk while it is `full`, though files can still be begun."""

    def __init__(self) -> None:
        self.full = False

    def fsync(self, handle: int) -> None:
        """Stands for the system's: of writing, it is what says last that there is no room."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refused_for_room(answer: httpx.Response) -> str:
    """The detail of a 507, which the answer must be."""
    assert answer.status_code == 507, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    detail: str = answer.json()["detail"]
    assert os.strerror(errno.ENOSPC) in detail
    return detail


def key_files(root: Path) -> list[Path]:
    """What is publisher of requests with a key, drafts too."""
    return [path for path in (root / FOLDER).rglob("*") if path.is_file()]
