"""Storage keys of uploads: `<batch>/<index>-<sha256[:16]><ext>` beneath the object root.

A page of a document has the key `<batch>/<index>p<page>-<sha256[:16] of the document>.png`.

The key contains the batch, so two batches never share a file. It contains index and content, so two
uploads within a batch share a file only if they are the same image.
"""

import hashlib
import re
from pathlib import PurePosixPath

from ocrstream_schemas.fields import REFUSED_SCHEME

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_DIGITS = 16

# Batch, index of ten digits, page, digest, suffix, and four separators.
MAX_KEY_LENGTH = 64 + 10 + 6 + _DIGITS + 9 + 4


def batch_folder(batch_id: str) -> str:
    """Returns the batch's folder name: its id if that is plain, else "~" and the id's hash.

    A plain id contains no "~", so two batches never share a folder.
    """
    if _PLAIN.fullmatch(batch_id):
        return batch_id
    return "~" + hashlib.sha256(batch_id.encode()).hexdigest()[:40]


def upload_key(
    batch_id: str, index: int | None, sha256: str, suffix: str, *, copy: int = 0, page: int = 0
) -> str:
    """Returns a file's path beneath the object root.

    `sha256` is the uploaded file's hash in hexadecimal; the pages of a document share it, and
    `page`, from 1, distinguishes them. `copy` distinguishes files of one request that have no index
    and equal content.
    """
    position = f"x{copy or ''}" if index is None else str(index)
    if page:
        position += f"p{page}"
    return f"{batch_folder(batch_id)}/{position}-{sha256[:_DIGITS]}{suffix}"


def refused_reference(key: str) -> str:
    """Returns the reference of an image without a file, made from the key that it would have."""
    return f"{REFUSED_SCHEME}:///{key}"


def file_suffix(name: str | None) -> str:
    """Returns the file name's suffix in lower case if it is alphanumeric, else ""."""
    found = _SUFFIX.search(PurePosixPath(name or "").name)
    return found.group().lower() if found else ""
