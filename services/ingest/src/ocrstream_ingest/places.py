"""Where an upload is kept: `<batch>/<index>-<sha256[:16]><ext>` beneath the object root.

A page of a document is `<batch>/<index>p<page>-<sha256[:16] of the document>.png`.

The batch is part of it, so two batches never share a file; index and content are, so within a batch
only the same image sent again does.
"""

import hashlib
import re
from pathlib import PurePosixPath

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_DIGITS = 16

# batch, index of ten digits, page, digest, suffix; four characters between them
LONGEST_PLACE = 64 + 10 + 6 + _DIGITS + 9 + 4


def folder_of(batch_id: str) -> str:
    """A folder's name for the batch: its id if that is plain, else "~" and its hash.

    No plain id holds a "~", so no two batches have one folder.
    """
    if _PLAIN.fullmatch(batch_id):
        return batch_id
    return "~" + hashlib.sha256(batch_id.encode()).hexdigest()[:40]


def place_of(
    batch_id: str, index: int | None, sha256: str, suffix: str, *, copy: int = 0, page: int = 0
) -> str:
    """A file's path beneath the root.

    `sha256`: of the uploaded file, in hexadecimal; its pages, from 1, are told apart by `page`.
    `copy` tells files of one request apart that have no index and equal content.
    """
    seat = f"x{copy or ''}" if index is None else str(index)
    if page:
        seat += f"p{page}"
    return f"{folder_of(batch_id)}/{seat}-{sha256[:_DIGITS]}{suffix}"


def suffix_of(name: str | None) -> str:
    """The file name's suffix in small letters if it is a plain one, else nothing."""
    found = _SUFFIX.search(PurePosixPath(name or "").name)
    return found.group().lower() if found else ""
