"""What references of all kinds have in common: why a file is not read, and how much of it is."""

from collections.abc import AsyncIterable
from enum import Enum


class Trouble(Enum):
    """Why a file is not read; only UNREACHABLE may pass."""

    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNREACHABLE = "unreachable"


class UnreadableFile(Exception):
    """The file is not read; the message says why and what to do."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


async def collect(
    name: str, told_bytes: int | None, chunks: AsyncIterable[bytes], max_bytes: int
) -> bytes:
    """All of a file that comes in pieces. `told_bytes`: how large it is said to be.

    Raises UnreadableFile if it is said to be, or is, larger than `max_bytes`; `name` is shown.
    """
    if told_bytes is not None and told_bytes > max_bytes:
        raise too_large(name, f"{told_bytes:,}", max_bytes)
    content = bytearray()
    async for chunk in chunks:
        if len(content) + len(chunk) > max_bytes:
            raise too_large(name, f"over {max_bytes:,}", max_bytes)
        content += chunk
    return bytes(content)


def too_large(name: str, size: str, max_bytes: int) -> UnreadableFile:
    """The file is larger than is read."""
    return UnreadableFile(
        Trouble.TOO_LARGE,
        f"{name} has {size} bytes; at most {max_bytes:,} are read (OCRSTREAM_MAX_IMAGE_BYTES)",
    )
