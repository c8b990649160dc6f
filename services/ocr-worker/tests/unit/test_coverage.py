"""Which languages a set of characters reads, and which words betray one that it does not."""

from ocrstream_worker.engines.coverage import HasCharacterSet, coverage
from ocrstream_worker.engines.languages import all_languages
from ocrstream_worker.engines.noop import NoopEngine
from ocrstream_worker.engines.port import EngineSettings


def letters(*scripts: str, but: str = "") -> frozenset[str]:
    return frozenset[str]().union(
        *(one.characters for one in all_languages() if one.script in scripts and one.code != but)
    )


def test_alphabets_are_named_once() -> None:
    assert coverage(letters("latin", but="vi")).describe() == "Latin alphabets (not Vietnamese)"
    assert coverage(letters("latin", "kana")).describe() == "Latin alphabets, Japanese"
    assert coverage(frozenset("abc")).describe() == "no language"


def test_languages_that_are_alone_in_their_script_have_their_own_names() -> None:
    assert coverage(letters("greek", "hangul")).describe() == "Greek, Korean"


def test_a_text_is_read_without_its_inverted_question_marks() -> None:
    known = letters("latin") - {"¿", "¡"}
    assert "es" in {one.code for one in coverage(known).readable}


def test_only_words_that_no_readable_language_has_betray_another() -> None:
    found = coverage(letters("latin", but="vi") | frozenset("đơưβγδετ"))
    betrayed = {
        word: found.unreadable_language(word) for word in ("đông", "café", "δετ", "δ", "80", "")
    }
    assert {word: one.code for word, one in betrayed.items() if one} == {"đông": "vi", "δετ": "el"}


def test_engines_say_whether_they_know_their_characters() -> None:
    assert not isinstance(NoopEngine(EngineSettings()), HasCharacterSet)
