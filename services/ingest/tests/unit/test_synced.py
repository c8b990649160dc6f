"""What a 202 promises of uploads: their contents and their names would survive a loss of power."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from fake_publisher import FakePublisher

from ocrstream_ingest.publisher import Record
from ocrstream_ingest.settings import IngestSettings


class Synced:
    """What the disk was told to keep: contents by their inode, and the names in folders."""

    def __init__(self) -> None:
        self._contents: set[tuple[int, int]] = set()
        self._names: dict[int, set[str]] = {}

    def fsync(self, handle: int) -> None:
        """Stands for the system's."""
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._names[status.st_ino] = set(os.listdir(handle))
        else:
            self._contents.add((status.st_ino, status.st_size))

    def survives(self, path: Path, root: Path) -> bool:
        """Whether a file would be there, whole and under its name."""
        status = path.stat()
        named = [path, *path.relative_to(root).parents][:-1]
        return (status.st_ino, status.st_size) in self._contents and all(
            one.name in self._names.get((root / one).parent.stat().st_ino, ()) for one in named
        )


@pytest.mark.parametrize("names", [("a.png",), ("a.png", "b.png")])
async def test_uploads_are_on_the_disk_before_anything_is_published(
    api: httpx.AsyncClient,
    publisher: FakePublisher,
    settings: IngestSettings,
    monkeypatch: pytest.MonkeyPatch,
    names: Sequence[str],
) -> None:
    synced, root, found = Synced(), settings.object_root, list[bool]()
    monkeypatch.setattr(os, "fsync", synced.fsync)
    send = publisher.publish

    async def look_and_send(batch_id: str, records: Sequence[Record]) -> None:
        paths = [path for path in root.rglob("*") if path.is_file()]
        found.extend(synced.survives(path, root) for path in paths)
        await send(batch_id, records)

    publisher.publish = look_and_send
    files = [("files", (name, name.encode())) for name in names]
    assert (await api.post("/v1/images", files=files)).status_code == 202
    assert found == [True] * len(names)
