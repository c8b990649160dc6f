"""What a watcher remembers across restarts."""

from pathlib import Path

import pytest

from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.watch_state import WatchState, default_state_file

INBOX = Path("/in/box")
ONE, TWO, BESIDE = INBOX / "1.png", INBOX / "sub" / "2.png", Path("/in/box2/3.png")


def test_what_has_ended_is_known_and_what_has_not_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "state" / "watch.sqlite3"
    with WatchState(file, "http://one") as state:
        state.begin("whole", {ONE: (1, 10), BESIDE: (3, 30)})
        state.finish("whole")
        state.begin("cut", {TWO: (2, 20)})
    with WatchState(file, "http://one") as state:
        assert state.submitted([INBOX]) == {ONE: (1, 10)}
        assert state.submitted([INBOX, BESIDE.parent]) == {ONE: (1, 10), BESIDE: (3, 30)}
        assert state.interrupted([INBOX]) == {"cut": [TWO]}
        state.finish("cut")
        assert state.interrupted([INBOX]) == {}
        assert state.submitted([INBOX]) == {ONE: (1, 10), TWO: (2, 20)}
        state.forget("cut")
        assert state.submitted([INBOX]) == {ONE: (1, 10)}
    with WatchState(file, "http://another") as state:
        assert state.submitted([INBOX]) == {}


def test_a_batch_continues_with_its_files_in_their_order(tmp_path: Path) -> None:
    files = [INBOX / f"{number}.png" for number in (3, 1, 2, 10)]
    with WatchState(tmp_path / "s", "http://one") as state:
        state.begin("b", dict.fromkeys(files, (1, 1)))
        assert state.interrupted([INBOX]) == {"b": files}
        # A changed file belongs to the later batch alone.
        state.begin("c", {files[0]: (2, 1)})
        assert state.interrupted([INBOX]) == {"b": files[1:], "c": files[:1]}


def test_a_file_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, but text")
    for file in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotSubmittableError, match="XDG_STATE_HOME"):
            WatchState(file, "http://one")


def test_the_state_is_where_state_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state_file() == tmp_path / "ocrstream" / "watch.sqlite3"
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/u")
    assert default_state_file() == Path("/home/u/.local/state/ocrstream/watch.sqlite3")
