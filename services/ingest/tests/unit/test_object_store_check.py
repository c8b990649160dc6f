"""Ingest says when uploads cannot be stored, and why."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from ocrstream_ingest import object_store_check
from ocrstream_ingest.object_store_check import ObjectStoreCheck
from ocrstream_runtime.errors import NotReadyError


async def test_a_folder_that_can_be_written_is_fine_and_left_as_it_was(tmp_path: Path) -> None:
    await ObjectStoreCheck(tmp_path).check()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - not blocking to speak of


async def test_a_folder_that_is_gone_or_none_is_told_and_may_come_back(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    check = ObjectStoreCheck(root)
    with pytest.raises(NotReadyError, match=r"OCRSTREAM_OBJECT_ROOT=.*No such file"):
        await check.check()
    root.write_text("a file")
    with pytest.raises(NotReadyError, match="Not a directory"):
        await check.check()
    root.unlink()
    root.mkdir()
    await check.check()


async def test_a_disk_that_gives_other_bytes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: Path) -> bytes:
        return b"other"

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(NotReadyError, match="reads otherwise than it was written"):
        await ObjectStoreCheck(tmp_path).check()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - not blocking to speak of


async def test_a_store_that_hangs_holds_one_thread_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = [], threading.Event()

    def hang(root: Path) -> None:
        begun.append(root)
        end.wait(30)

    monkeypatch.setattr(object_store_check, "_probe", hang)
    check = ObjectStoreCheck(tmp_path)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await check.check()
    end.set()
    await check.check()
    assert len(begun) == 1
