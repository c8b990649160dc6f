"""How two texts differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_client.differences import difference


@pytest.mark.parametrize(
    ("old", "new", "similarity", "changes"),
    [
        ("", "", 1.0, ()),
        ("", "new", 0.0, ("+ new",)),
        ("one two\nthree four", "one two\nthree 4our", 0.75, ("- three four", "+ three 4our")),
        ("-- a\n++ b", "++ b", 2 * 2 / 6, ("- -- a",)),
        # Written without spaces, one of six characters is another one.
        ("한국어 문서다", "한국어 문서디", 5 / 6, ("- 한국어 문서다", "+ 한국어 문서디")),
        ("東京abc都", "東京abd都", 3 / 4, ("- 東京abc都", "+ 東京abd都")),
    ],
)
def test_a_difference_is_told(
    old: str, new: str, similarity: float, changes: tuple[str, ...]
) -> None:
    found = difference(old, new)
    assert found.similarity == pytest.approx(similarity)
    assert found.changes == changes


@given(st.text(), st.text())
def test_what_is_equal_has_no_changes_and_only_that(old: str, new: str) -> None:
    found = difference(old, new)
    assert 0 <= found.similarity <= 1
    assert (not found.changes) == (old.splitlines() == new.splitlines())
    assert difference(old, old).similarity == 1
