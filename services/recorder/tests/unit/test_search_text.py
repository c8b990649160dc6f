"""Texts are compared as readers would, and no text that holds a query lacks its grams."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocrstream_recorder.search.normalization import image_texts, normalize
from ocrstream_recorder.search.rules import (
    GRAM_BITS,
    SearchMode,
    grams_of_image,
    grams_of_query,
    grams_of_text,
    matching_boxes,
)

# As the database can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
# What the rules about blanks, hyphens and replaced characters are about.
WRAPPED = st.text("ab1- \u00ad\u2010\u2212\u200b請か\u3099\uff08。,\u0301é", max_size=8)


@given(TEXTS | WRAPPED)
@example("\u0345")
@example("か \u3099")
@example("\ufe81 \u0627\u0653 \u2033 \u00b4")
@example("㎏ ℡ ﬁ Σς İ")
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFKC", once)


def bare(text: str) -> str:
    """Without what depends on the texts beside it."""
    return text.replace(" ", "").replace("-", "")


@given(st.lists(TEXTS | WRAPPED, max_size=5))
@example(["a", "\u0301b", "\u1112", "\u1161", "\u0345", " ", "ß"])
def test_each_part_of_an_images_text_is_that_of_its_box(texts: list[str]) -> None:
    for one in image_texts(texts):
        assert one.boxes == [at for at, text in enumerate(texts) if normalize(text)]
        parts = [one.text[start:end] for start, end in pairwise([*one.starts, len(one.text)])]
        expected = [bare(normalize(texts[at])) for at in one.boxes]
        assert [bare(part) for part in parts][: len(expected)] == expected
        for box, start in zip(one.boxes, one.starts, strict=False):
            assert one.boxes_of(start, start + 1) == [box]


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
        ("\u201cl\u2019été\u201d", '"l\'été"'),
        ("\u00abno\u00bb \u201ejo\u201f don\u00b4t 5\u2032 3\u2033", '"no" "jo" don\'t 5\' 3"'),
        ("1990\u20131995 \u2014 \u22125 e\u2011mail", "1990-1995 - -5 e-mail"),
        ("in\u00adfor\u200bma\ufefftion\u200f", "information"),
        ("محـــمد", "محمد"),
        ("مُحَمَّد", "محمد"),
        ("أحمد إلى آخر", "احمد الي اخر"),
        ("مدرسة", "مدرسه"),
        ("\ufe8d\ufedf\ufea4\ufee4\ufeaa", "الحمد"),
        ("請求 書", "請求書"),
        ("請求書 \uff08控\uff09", "請求書(控)"),
        ("カタ\u3000カナ", "カタカナ"),
        ("infor- mation", "infor-mation"),
    ],
)
def test_what_reads_the_same_is_the_same(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("한국 어", "한국어"),
        ("請求書 A4", "請求書A4"),
        ("5 - 3", "5-3"),
        ("12- 15", "12-15"),
        ("عرب", "غرب"),
        ("naïve", "naive"),
    ],
)
def test_what_reads_differently_differs(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@given(st.lists(TEXTS | WRAPPED, max_size=5), st.data())
def test_an_image_has_the_grams_of_all_that_it_holds(texts: list[str], data: st.DataObject) -> None:
    grams = grams_of_image(texts)
    for one in image_texts(texts):
        start = data.draw(st.integers(0, len(one.text)))
        query = normalize(one.text[start : data.draw(st.integers(start, len(one.text)))])
        if query in one.text:
            assert grams_of_query(query) <= grams
    assert all(0 <= gram < 1 << GRAM_BITS for gram in grams)


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


@pytest.mark.parametrize(
    ("texts", "query", "boxes"),
    [
        # Lines of a page in Chinese, and words of a line.
        (["请寄到北京市海", "淀区中关村大街", "签字"], "海淀区", [0, 1]),
        (["请寄到北京市海", "淀区中关村大街", "签字"], "大街签字", [1, 2]),
        (["請", "求", "書", "の", "控え"], "請求書", [0, 1, 2]),
        (["合計\uff08税", "込\uff09は"], "合計\uff08税込\uff09", [0, 1]),
        (["カタ", "カナ"], "カタ カナ", [0, 1]),
        (["한국", "어"], "한국 어", [0, 1]),
        (["한국", "어"], "한국어", []),
        # Words that a line's end hyphenates.
        (["the infor-", "mation about", "it"], "information", [0, 1]),
        (["the infor-", "mation about", "it"], "the information about it", [0, 1, 2]),
        (["a well-", "known fact"], "well-known", [0, 1]),
        (["a well-", "known fact"], "wellknown", [0, 1]),
        (["a well-", "known fact"], "known", [1]),
        (["Donau\u2010", "dampf\u00ad", "schiff"], "Donaudampfschiff", [0, 1, 2]),
        (["1990-", "1995"], "19901995", []),
        (["1990-", "1995"], "1990- 1995", [0, 1]),
    ],
)
def test_a_text_that_wraps_is_found(texts: list[str], query: str, boxes: list[int]) -> None:
    assert found(texts, query) == boxes
    assert not boxes or grams_of_query(normalize(query)) <= grams_of_image(texts)


def test_a_word_that_goes_over_lines_costs_few_keys() -> None:
    lines = [f"the infor{number}x-" for number in range(20)] + ["mation of something"]
    whole = image_texts(lines)
    assert len(grams_of_image(lines)) - len(grams_of_text(whole[0].text)) <= 20 * 10


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


@given(st.lists(TEXTS | WRAPPED, max_size=5), TEXTS | WRAPPED)
def test_a_substring_is_what_python_finds(texts: list[str], query: str) -> None:
    wanted = normalize(query)
    holds = bool(wanted) and any(wanted in one.text for one in image_texts(texts))
    assert bool(found(texts, query, SearchMode.SUBSTRING)) == holds
