"""Checks that a model has the characters of the configured languages."""

from collections.abc import Iterable, Mapping, Sequence

from ocrstream_worker.engines.coverage import coverage
from ocrstream_worker.engines.errors import EngineUnavailableError, LanguagesUnsupportedError
from ocrstream_worker.engines.languages import (
    Language,
    find_language,
    known_names,
    missing_characters,
)


def find_languages(names: Sequence[str]) -> list[Language]:
    """The languages with these names. Raises EngineUnavailableError for an unknown name."""
    found = {name: find_language(name) for name in names}
    unknown = [name for name, language in found.items() if language is None]
    if unknown:
        raise EngineUnavailableError(
            f"OCRSTREAM_LANGUAGES: unknown language or script {', '.join(unknown)}; known are"
            f" {known_names()}. Tesseract also takes the names of its own models"
        )
    return [language for language in found.values() if language is not None]


def check_languages_supported(
    languages: Sequence[Language],
    characters: Iterable[str],
    model: str,
    advice: Mapping[str, str],
) -> None:
    """Raises LanguagesUnsupportedError if the model lacks a language's characters.

    `advice`: the engine's other models for a language, by its code; the message always names
    Tesseract.
    """
    known = frozenset(characters)
    missing = missing_characters(known, languages)
    if not missing:
        return
    unread = [language for language in languages if language.code in missing]
    parts = [
        f"{model} does not read {language.name} ({language.code}): it lacks"
        f" {missing[language.code]}. {_advice(language, advice)}"
        for language in unread
    ]
    raise LanguagesUnsupportedError("; ".join(parts), unread, coverage(known).describe())


def _advice(language: Language, advice: Mapping[str, str]) -> str:
    tesseract = (
        f"Tesseract reads it: OCRSTREAM_ENGINE=tesseract, with Debian's {language.debian_package}"
    )
    own = advice.get(language.code)
    return f"{own}. Or {tesseract[0].lower() + tesseract[1:]}" if own else tesseract
