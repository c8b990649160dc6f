from pathlib import Path

import pytest

from ocrstream_client.addresses import Addresses, find_addresses
from ocrstream_client.errors import UnreachableError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INGEST_URL", "RECORDER_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_nearest_stack_is_found_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.env").write_text(
        "DATABASE_URL=postgresql://u:p=w@h/d\nINGEST_URL=http://i:1/\nRECORDER_URL=http://r:2\n"
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_addresses(below) == Addresses("http://i:1", "http://r:2")
    monkeypatch.setenv("RECORDER_URL", "http://other:3/")
    assert find_addresses(below) == Addresses("http://i:1", "http://other:3")


def test_without_any_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"INGEST_URL and RECORDER_URL not set.*make up"):
        find_addresses(tmp_path)
