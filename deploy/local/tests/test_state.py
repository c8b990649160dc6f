"""What commands remember, and that two do not work at once."""

import stat
from pathlib import Path

import pytest

from ocrstream_local import state
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.state import State


def test_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved = State({"kafka": Process("kafka", 5, 1.5, "log", 9092, 15)}, {"kafka": 9092}, "noop")
    state.save(tmp_path / "state.json", saved)
    assert state.load(tmp_path / "state.json") == saved


def test_what_holds_secrets_is_for_its_owner_alone(tmp_path: Path) -> None:
    state.replace(tmp_path / "stack.env", "DATABASE_URL=postgresql://user:secret@host/db\n")
    assert stat.S_IMODE((tmp_path / "stack.env").stat().st_mode) == 0o600


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(StackError, match=r"state\.json cannot be read"):
        state.load(tmp_path / "state.json")


def test_a_second_command_is_told_of_the_first(tmp_path: Path) -> None:
    with (
        state.locked(tmp_path),
        pytest.raises(StackError, match="Another command works"),
        state.locked(tmp_path),
    ):
        pytest.fail("both were let in")
    with state.locked(tmp_path):
        pass
