"""How much is read of a file that comes in pieces."""

from collections.abc import AsyncGenerator

import pytest

from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.references import read_limited


async def test_pieces_are_counted() -> None:
    async def pieces(*sizes: int) -> AsyncGenerator[bytes]:
        for size in sizes:
            yield b"x" * size

    assert len(await read_limited("a", None, pieces(4, 6), 10)) == 10
    with pytest.raises(FetchError, match="over 10 bytes"):
        await read_limited("a", None, pieces(4, 6, 1), 10)
    with pytest.raises(FetchError, match="over 10 bytes") as caught:
        await read_limited("a", 10, pieces(11), 10)
    assert caught.value.failure is FetchFailure.TOO_LARGE


async def test_what_is_said_to_be_too_large_is_not_begun() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        pytest.fail("it was begun")
        yield b""

    with pytest.raises(FetchError, match="a has 11 bytes") as caught:
        await read_limited("a", 11, pieces(), 10)
    assert caught.value.failure is FetchFailure.TOO_LARGE
