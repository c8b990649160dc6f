"""Reads the content of referenced files up to a size limit."""

from collections.abc import AsyncIterable

from ocrstream_runtime.errors import FetchError, FetchFailure


async def read_limited(
    name: str, content_length: int | None, chunks: AsyncIterable[bytes], max_bytes: int
) -> bytes:
    """Returns the content of a file that arrives in chunks.

    `content_length` is what the server announces. Raises FetchError, which names the file, if the
    announced or the actual size exceeds `max_bytes`.
    """
    if content_length is not None and content_length > max_bytes:
        raise too_large_error(name, f"{content_length:,}", max_bytes)
    content = bytearray()
    async for chunk in chunks:
        if len(content) + len(chunk) > max_bytes:
            raise too_large_error(name, f"over {max_bytes:,}", max_bytes)
        content += chunk
    return bytes(content)


def too_large_error(name: str, size: str, max_bytes: int) -> FetchError:
    """Returns the error for a file that exceeds the limit."""
    return FetchError(
        FetchFailure.TOO_LARGE,
        f"{name} has {size} bytes; the limit is {max_bytes:,} (OCRSTREAM_MAX_IMAGE_BYTES)",
    )
