"""Origins of web pages: scheme, host and port (RFC 6454)."""

import re

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def web_origin(text: str) -> str:
    """Returns the origin in the form that browsers send. Raises ValueError."""
    origin = text.strip().removesuffix("/").lower()
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"{text!r} is not an origin like https://ocr.example or http://127.0.0.1:8080"
        )
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS[scheme])
