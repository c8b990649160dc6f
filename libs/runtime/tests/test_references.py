"""How much is read of a file that comes in pieces."""

from collections.abc import AsyncGenerator

import pytest

from ocrstream_runtime.references import Trouble, UnreadableFile, collect


async def test_pieces_are_counted() -> None:
    async def pieces(*sizes: int) -> AsyncGenerator[bytes]:
        for size in sizes:
            yield b"x" * size

    assert len(await collect("a", None, pieces(4, 6), 10)) == 10
    with pytest.raises(UnreadableFile, match="over 10 bytes"):
        await collect("a", None, pieces(4, 6, 1), 10)
    with pytest.raises(UnreadableFile, match="over 10 bytes") as caught:
        await collect("a", 10, pieces(11), 10)
    assert caught.value.trouble is Trouble.TOO_LARGE
