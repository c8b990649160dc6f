"""Files are given when they are complete, and once."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocrstream_client.folder_watch import watch_folders


class Looks:
    """A clock that goes on while the watcher pauses; `meanwhile` happens at its seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.meanwhile: dict[int, Callable[[], object]] = {}
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._pause)

    def _pause(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 60, "the watcher gave nothing for a minute"
        self.meanwhile.pop(int(self.now), lambda: None)()


def test_a_file_is_given_when_it_has_not_changed_for_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(monkeypatch)
    slow, whole = tmp_path / "slow.png", tmp_path / "whole.png"
    slow.write_bytes(b"a")
    whole.write_bytes(b"whole")
    (tmp_path / "notes.txt").write_bytes(b"no image")
    (tmp_path / "empty.png").touch()
    looks.meanwhile = {1: lambda: slow.write_bytes(b"aa"), 3: lambda: slow.write_bytes(b"aaa")}
    watcher = watch_folders([tmp_path], {})
    assert list(next(watcher)) == [whole]
    assert looks.now == 2
    assert list(next(watcher)) == [slow]
    assert looks.now == 5


def test_it_is_given_again_only_with_another_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(monkeypatch)
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    watcher = watch_folders([tmp_path, tmp_path], {})
    assert list(next(watcher)) == [file]

    def replace() -> None:
        file.write_bytes(b"two")
        os.utime(file, ns=(0, 1))

    looks.meanwhile = {10: file.unlink, 20: replace}
    assert list(next(watcher)) == [file]
    assert looks.now == 22


def test_what_was_submitted_before_is_given_only_if_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Looks(monkeypatch)
    old, changed, new = (tmp_path / f"{name}.png" for name in ("old", "changed", "new"))
    for file in (old, changed):
        file.write_bytes(b"one")
    submitted = {file: (file.stat().st_mtime_ns, 3) for file in (old, changed)}
    changed.write_bytes(b"more")
    new.write_bytes(b"new")
    assert list(next(watch_folders([tmp_path], submitted))) == [changed, new]
