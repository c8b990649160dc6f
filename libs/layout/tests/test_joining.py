"""Pieces of text are joined as their scripts are printed."""

import pytest

from ocrstream_layout import join_pieces, separator


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        (["Grand", "total"], "Grand total"),
        (["請", "求書"], "請求書"),
        (["カ", "タ", "ﾅ"], "カタﾅ"),
        (["ㄅ", "ㄆ"], "ㄅㄆ"),
        (["終わり。", "「次」"], "終わり。「次」"),
        (["\uff21\uff22", "書\uff08控", "\uff09"], "\uff21\uff22書\uff08控\uff09"),
        (["𠮷", "野"], "𠮷野"),
        (["請求書", "A4", "版", "12"], "請求書 A4 版 12"),
        (["한국", "어"], "한국 어"),
        (["漢", "한"], "漢 한"),
        (["ไทย", "ไทย"], "ไทย ไทย"),
        (["", "請", "", "求", ""], "請求"),
        (["", "a", "", "b", ""], "a b"),
        ([], ""),
    ],
)
def test_pieces(pieces: list[str], joined: str) -> None:
    assert join_pieces(pieces) == joined


def test_nothing_is_beside_an_empty_piece() -> None:
    assert separator("", "a") == separator("a", "") == ""
    assert separator("a ", "b") == " "
