"""What a file is to be called by whoever saves it (RFC 6266)."""

from typing import Literal
from urllib.parse import quote


def disposition(kind: Literal["inline", "attachment"], filename: str) -> str:
    """The header's value; programs that know no better have the name in ASCII."""
    plain = filename.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
