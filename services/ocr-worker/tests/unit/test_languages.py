"""Which characters a language needs, and when a model is said to lack it."""

import pytest

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.language_support import check_languages_supported, find_languages
from ocrstream_worker.engines.languages import (
    Language,
    find_language,
    known_names,
    missing_characters,
    split_names,
)
from ocrstream_worker.engines.tesseract import model_names


def language(name: str) -> Language:
    found = find_language(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "sample", "count"),
    [
        ("en", "azAZ", 52),
        ("de", "äöüßÄÖÜ", 59),
        ("tr", "ğıİş", None),
        ("vi", "ạẢđƯ", None),
        ("ru", "ёжЯ", 66),
        ("el", "ςάΐΏ", None),
        ("hi", "अकहाे्", None),
        ("th", "กฮะ์", None),
        ("ko", "가힝한글", 2350),
        ("ja", "あンー日本", None),
        ("zh", "的国语", 3755),
        ("zh-hant", "國語體", 5401),
    ],
)
def test_what_a_language_needs(name: str, sample: str, count: int | None) -> None:
    characters = language(name).characters
    assert set(sample) - {"ー"} <= characters
    assert count is None or len(characters) == count


def test_each_name_means_one_language() -> None:
    for name in known_names().split(", "):
        assert language(name).characters, name
    assert language("kor") is language("ko") is language("hangul") is language(" KO ")
    assert language("latin").code == "en"
    assert language("han").code == "zh"
    assert find_language("klingon") is None


def test_names_of_a_setting() -> None:
    assert split_names(" en, KO,,en ") == ("en", "ko")


def test_one_letter_of_an_alphabet_is_missed_but_a_rare_syllable_is_not() -> None:
    german, korean = language("de"), language("ko")
    assert missing_characters(german.characters, [german]) == {}
    assert missing_characters(german.characters - {"ß"}, [german]) == {"de": "ß"}
    syllables = sorted(korean.characters)
    assert missing_characters(syllables[23:], [korean]) == {}
    assert missing_characters(syllables[24:], [korean])["ko"].startswith("24 characters, like 가")


def test_the_error_names_what_reads_it() -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        check_languages_supported(
            find_languages(["en", "ko", "uk"]), "abc", "tiny", {"ko": "Take k.onnx"}
        )
    text = str(caught.value)
    assert "tiny does not read Korean (ko)" in text
    assert "Take k.onnx. Or tesseract reads it" in text
    assert "tesseract-ocr-kor" in text
    assert "tesseract-ocr-ukr" in text


def test_an_unknown_language_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(
        EngineUnavailableError, match=r"unknown language or script tlh; known are en, .*han"
    ):
        find_languages(["en", "tlh"])


def test_tesseract_takes_names_of_its_own() -> None:
    assert model_names(("ko", "en", "kor", "grc")) == ("kor", "eng", "grc")
    assert language("zh-hant").debian_package == "tesseract-ocr-chi-tra"
