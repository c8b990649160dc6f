"""Which results are warned of. Texts and confidences are what RapidOCR and Tesseract gave."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_schemas.events import ResultWarning
from ocrstream_worker.engines.coverage import coverage
from ocrstream_worker.engines.languages import find_language
from ocrstream_worker.engines.lines import Line, Word, box_corners
from ocrstream_worker.engines.result_warnings import RecognitionModel, find_warnings

GREEK_WITHOUT_ACCENTS = frozenset("αβγδεζηθικλμνξοπρστυφχψως")


def letters_of(*codes: str) -> frozenset[str]:
    languages = [find_language(code) for code in codes]
    return frozenset[str]().union(*(one.characters for one in languages if one is not None))


LIKE_RAPIDOCR = letters_of("en", "de", "pl", "tr", "pt", "zh", "ja") | GREEK_WITHOUT_ACCENTS
RAPIDOCR = RecognitionModel("rapidocr", "PP-OCRv6_rec_small.onnx", coverage(LIKE_RAPIDOCR))
TESSERACT = RecognitionModel("tesseract", "eng")

Span = tuple[str, float, float, float]
"""A word: text, confidence, and from where to where it reaches in pixels."""


def line(
    text: str, confidence: float, width: float, words: Sequence[Span] = (), height: float = 24
) -> Line:
    return Line(
        text,
        confidence,
        box_corners(0, 0, width, height),
        tuple(Word(t, c, box_corners(left, 0, right, height)) for t, c, left, right in words),
    )


def codes(lines: Sequence[Line], reader: RecognitionModel = RAPIDOCR) -> list[str]:
    return [one.code for one in find_warnings(lines, reader, min_confidence=0.5)]


def detail(lines: Sequence[Line], reader: RecognitionModel = RAPIDOCR) -> str:
    (warning,) = find_warnings(lines, reader, min_confidence=0.5)
    assert isinstance(warning, ResultWarning)
    return warning.detail


PRICES = [line("171,000", 1.0, 75), line("2", 1.0, 15), line("2026-11-05 08:40", 0.99, 157)]
KOREAN_RECEIPT = [line("", 0.0, 89), line("卫2", 0.74, 49), line("", 0.0, 89), *PRICES]
ENGLISH_RECEIPT = [line("coffee", 1.0, 70), line("water doctor", 0.99, 140), *PRICES]
# 서울특별시 x 87,500 매출전표, 일시불 / 44,000 and 번호 / 164,500 현금.
KOREAN_BETWEEN_NUMBERS = [
    line(
        "号望x87,500叫奢",
        0.79,
        181,
        [("号", 0.87, 30, 40), ("x87,500", 0.97, 69, 127), ("叫", 0.4, 132, 178)],
    ),
    line("/44,000", 0.98, 100, [("/44,000", 0.98, 42, 98)]),
    line("电京/164,500", 0.91, 125, [("电", 0.45, 5, 15), ("/164,500", 0.99, 30, 95)]),
]


def test_numbers_do_not_hide_what_was_not_read() -> None:
    assert codes(KOREAN_RECEIPT) == ["unreadable_script"]
    assert codes(KOREAN_RECEIPT + 30 * PRICES) == ["unreadable_script"]
    assert codes(KOREAN_BETWEEN_NUMBERS) == ["unreadable_script"]


def test_a_line_begins_and_ends_where_its_words_do() -> None:
    only_the_price = line("/44,000", 0.98, 100, [("/44,000", 0.98, 60, 98)])
    assert codes([only_the_price]) == ["unreadable_script"]
    assert codes([line("44,000", 0.98, 100, [("44,000", 0.98, 20, 85)])]) == []


def test_what_has_no_confidence_was_not_read() -> None:
    assert "mean confidence of 0.00" in detail([line("Total", math.nan, 100)])


def test_clean_pages_are_not_warned_of() -> None:
    assert codes(ENGLISH_RECEIPT) == []
    assert codes([line("合计", 0.99, 50), line("ラーメン 680", 0.98, 120), *PRICES]) == []
    assert codes([line("Käse und Brötchen für 4,50 €", 0.98, 330)]) == []
    assert codes([line("coffee and bread", 0.92, 190)], TESSERACT) == []
    assert codes(PRICES) == []
    assert codes([]) == []


def test_an_empty_place_beside_text_that_was_read_is_no_reason() -> None:
    assert codes([*ENGLISH_RECEIPT, line("", 0.0, 80, height=60)]) == []


def test_a_rule_is_no_text() -> None:
    assert codes([*ENGLISH_RECEIPT, line("", 0.0, 400, height=6)]) == []


def test_a_long_line_of_which_hardly_anything_was_seen_was_not_read() -> None:
    assert codes([line("       623 15  ", 0.89, 944, height=44)]) == ["unreadable_script"]


def test_vertical_text_is_as_long_as_it_is_high() -> None:
    vertical = Line("是非不得問之人要取之", 0.97, box_corners(0, 0, 40, 400))
    assert codes([vertical]) == []
    assert codes([Line("", 0.0, box_corners(0, 0, 40, 400))]) == ["unreadable_script"]


def test_small_or_half_readable_text_is_hard_to_see() -> None:
    blurred = [line("tbe qnick harbonr", 0.6, 190, height=16)]
    assert codes(blurred) == ["low_confidence"]
    assert codes([line("tbe qnick harbonr", 0.8, 190)]) == ["low_confidence"]
    assert codes([line("ape at SAE YAH", 0.42, 190)], TESSERACT) == ["unreadable_script"]


def test_a_page_of_small_letters_is_told_of_however_it_was_read() -> None:
    small = line("the quick harbour", 0.98, 120, height=12)
    assert codes([small]) == ["small_text"]
    assert codes([line("tbe qnick harbonr", 0.6, 120, height=12)]) == [
        "low_confidence",
        "small_text",
    ]
    # Most of the text counts, not most of the lines.
    assert codes([small, line("GRAND TOTAL OF ALL", 0.99, 130)]) == []
    assert codes([small, small, line("GRAND TOTAL OF ALL", 0.99, 130)]) == ["small_text"]
    assert "2 of 3 lines are lower than 14 pixels" in detail([small, small, line("A", 0.99, 30)])
    assert codes([Line("小さい", 0.99, box_corners(0, 0, 12, 100))]) == ["small_text"]


def test_letters_of_an_alphabet_that_the_model_half_knows() -> None:
    greek = [line("στα δρ εση αρση σνλ", 0.98, 240), line("Total", 1.0, 50)]
    assert "5 of 6 words have letters of Greek" in detail(greek)
    assert "OCRSTREAM_LANGUAGES=el (Debian's tesseract-ocr-ell)" in detail(greek)
    assert codes([line("in the angle β and δ, of 5 Ω or μ", 0.98, 330)]) == []
    assert codes([line("Straße ciudad coração żółty güneş", 0.98, 330)]) == []


def test_the_detail_says_what_was_seen_and_what_would_read_it() -> None:
    text = detail(KOREAN_RECEIPT)
    assert "mean confidence of 0.09" in text
    assert "2 of 6 lines were left out" in text
    assert "PP-OCRv6_rec_small.onnx (" in text
    assert "Chinese" in text
    assert "OCRSTREAM_ENGINE=tesseract" in text
    assert "korean_PP-OCRv5_rec_mobile.onnx" in text
    assert "tesseract with eng does not read" in detail([line("Ap", 0.2, 90)], TESSERACT)


confidences = st.floats(allow_nan=True, allow_infinity=True)
coordinates = st.floats(-10_000, 10_000)
corners = st.lists(st.tuples(coordinates, coordinates), min_size=4, max_size=4)
words = st.builds(Word, st.text(), confidences, corners)
lines = st.builds(Line, st.text(), confidences, corners, st.lists(words, max_size=4))


@given(st.lists(lines, max_size=6), st.sampled_from([RAPIDOCR, TESSERACT]))
def test_whatever_an_engine_gives_there_are_two_warnings_at_most(
    given_lines: list[Line], reader: RecognitionModel
) -> None:
    warnings = find_warnings(given_lines, reader, min_confidence=0.5)
    assert len({one.code for one in warnings}) == len(warnings) <= 2
    # A second one tells of small text.
    assert all(one.code == "small_text" for one in warnings[1:])
    assert not any("of nan" in one.detail for one in warnings)


@pytest.mark.parametrize("order", [KOREAN_RECEIPT, KOREAN_BETWEEN_NUMBERS, ENGLISH_RECEIPT])
def test_the_order_of_lines_does_not_matter(order: list[Line]) -> None:
    assert codes(order) == codes(order[::-1])
