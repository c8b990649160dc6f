"""Characters that look alike, in places that tell them apart, and in places that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_worker.engines.confusions import resolve_confusions


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("2o12", "2012"),
        ("o8:30", "08:30"),
        ("1.2o6,o4", "1.206,04"),
        ("20o5-o1-10", "2005-01-10"),
        ("on 1o/2o/2024.", "on 10/20/2024."),
        ("エネルギ一", "エネルギー"),
        ("コ―ヒ一", "コーヒー"),
        ("力ード", "カード"),
        ("二ュース", "ニュース"),
        ("八ンバーグ", "ハンバーグ"),
        ("ト一ク", "トーク"),
        ("口ビー", "ロビー"),
        ("タ方", "夕方"),
        ("タ食", "夕食"),
        ("入カ", "入力"),
        ("データー入カ。", "データー入力。"),
        ("データ一覧", "データ一覧"),
        ("データー覧", "データ一覧"),
        ("メニュー—覧", "メニュー一覧"),
    ],
)
def test_neighbours_tell(read: str, meant: str) -> None:
    assert resolve_confusions(read) == meant


@pytest.mark.parametrize(
    "text",
    [
        # An ordinal, a word, a formula.
        "10o",
        "1o",
        "o",
        "oo7",
        "H2O",
        "CO2 o3o",
        "x2o12",
        # 口, 一, 力, 二, 八, 夕 and 工 themselves.
        "入口ドア",
        "一ヶ月",
        "統一ルール",
        "カード二枚",
        "アルミ工場",
        "夕方",
        "タクシー",
        "スタート",
        "三カ月",
        "日本カメラ",
        "ユーザー名",
        "努力",
    ],
)
def test_what_is_right_stays(text: str) -> None:
    assert resolve_confusions(text) == text


@given(st.text("1o.,:/-夕口力二工卜八一―—タロカニエトハー方入a ", max_size=12))
def test_a_character_becomes_one_character(text: str) -> None:
    # The places of its words are told by their characters.
    assert len(resolve_confusions(text)) == len(text)
