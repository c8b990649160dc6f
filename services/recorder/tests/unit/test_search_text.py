"""Texts are compared as readers would, and no text that holds a query lacks its grams."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocrstream_recorder.search.rules import (
    GRAM_BITS,
    SearchMode,
    grams_of_query,
    grams_of_text,
    image_text,
    matching_boxes,
    normalize,
)

# As the database can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(TEXTS)
@example("\u0345")
@example("㎏ ℡ ﬁ Σς İ")
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFKC", once)


@given(st.lists(TEXTS, max_size=5))
@example(["a", "\u0301b", "\u1112", "\u1161", "\u0345", " ", "ß"])
def test_an_images_text_is_that_of_its_boxes_one_by_one(texts: list[str]) -> None:
    assert image_text(texts) == " ".join(filter(None, map(normalize, texts)))


@pytest.mark.parametrize("query", ["abc", "abcd", "abcdefg", "abcdefgh", "0123456789" * 20])
def test_few_runs_of_a_query_are_asked_for_its_ends_among_them(query: str) -> None:
    grams = grams_of_query(query)
    assert len(grams) <= 5
    assert grams_of_query(query[:3]) | grams_of_query(query[-3:]) <= grams


def test_runs_of_four_are_asked_for_where_there_are_any() -> None:
    """Many numbers have the same runs of three digits."""
    text = " ".join(f"{number:03}" for number in range(1000))
    numbers = [f"{number:06}" for number in range(0, 1_000_000, 997)]
    found = sum(grams_of_query(number) <= grams_of_text(text) for number in numbers)
    # Of three runs, none is kept in one of eight.
    assert found < len(numbers) / 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("\uff21\uff22\uff11", "ab1"),
        ("ﾊﾟﾝ", "パン"),
        ("e\u0301te\u0301", "ÉTÉ"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        (" a\t\n\u3000b ", "A b"),
    ],
)
def test_what_reads_the_same_is_the_same(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@given(st.lists(TEXTS, max_size=5), st.data())
def test_a_text_has_the_grams_of_all_that_it_holds(texts: list[str], data: st.DataObject) -> None:
    text = image_text(texts)
    start = data.draw(st.integers(0, len(text)))
    query = normalize(text[start : data.draw(st.integers(start, len(text)))])
    if query in text:
        assert grams_of_query(query) <= grams_of_text(text)
    assert all(0 <= gram < 1 << GRAM_BITS for gram in grams_of_text(text))


def found(texts: list[str], query: str, mode: SearchMode = SearchMode.WORD) -> list[int]:
    return matching_boxes(texts, [1.0] * len(texts), normalize(query), mode)


@pytest.mark.parametrize(
    ("text", "query", "is_word"),
    [
        ("Total: 12", "total", True),
        ("subtotal", "total", False),
        ("totals", "total", False),
        ("a total_b", "total", False),
        ("totals total", "total", True),
        ("C++ and C", "c++", True),
        ("12.50", "12", True),
        ("112", "12", False),
        ("合計金額", "金額", True),
        ("請求書A4版", "a4", True),
        ("합계금액", "합계", False),
        ("합계 금액", "합계", True),
        ("क़िला", "क", False),
        ("e\u0301t", "t", False),
    ],
)
def test_words(text: str, query: str, *, is_word: bool) -> None:
    assert found([text], query) == ([0] if is_word else [])
    assert found([text], query, SearchMode.SUBSTRING) == [0]


def test_a_match_may_go_over_boxes_and_has_all_of_them() -> None:
    texts = ["Grand", " ", "total", "12", "grand total"]
    assert found(texts, "grand total 12") == [0, 2, 3]
    assert found(texts, "d t", SearchMode.SUBSTRING) == [0, 2, 4]
    assert found(texts, "grandtotal", SearchMode.SUBSTRING) == []


@given(st.lists(st.text("ab \u3000", max_size=4), max_size=8))
def test_every_box_with_a_match_is_found(texts: list[str]) -> None:
    expected = [number for number, text in enumerate(texts) if "a" in text]
    assert found(texts, "a", SearchMode.SUBSTRING) == expected


def test_each_box_of_a_match_has_the_confidence() -> None:
    texts, confidences = ["grand", "total", "grand total"], [0.4, 0.9, 0.9]
    for least, expected in ((0.0, [0, 1, 2]), (0.4, [0, 1, 2]), (0.5, [2]), (1.0, [])):
        assert (
            matching_boxes(texts, confidences, "grand total", SearchMode.SUBSTRING, least)
            == expected
        )


@given(st.lists(TEXTS, max_size=5), TEXTS)
def test_a_substring_is_what_python_finds(texts: list[str], query: str) -> None:
    wanted = normalize(query)
    holds = bool(wanted) and wanted in image_text(texts)
    assert bool(found(texts, query, SearchMode.SUBSTRING)) == holds
