"""What a model reads, from the characters that it can give at all."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ocrstream_worker.engines.languages import Language, all_languages, missing_characters

_SCRIPT_NAMES = {"latin": "Latin alphabets", "cyrillic": "Cyrillic alphabets"}
# A text without them can be read.
_PUNCTUATION = frozenset("¿¡")


@dataclass(frozen=True)
class Coverage:
    """The languages whose letters a model has, nearly all of them, and the others."""

    readable: tuple[Language, ...]
    unreadable: tuple[Language, ...]

    def betrays(self, word: str) -> Language | None:
        """The language that cannot be read and is the only kind to have all letters of the word.

        Of a language that it half knows, a model gives such words: Greek without its accents. A
        lone letter is a sign, as in formulas, and no word.
        """
        letters = {one for one in word if one.isalpha()}
        if len(letters) < 2 or any(letters <= one.characters for one in self.readable):
            return None
        return next((one for one in self.unreadable if letters <= one.characters), None)

    def describe(self) -> str:
        """Like `Latin alphabets (not Vietnamese), Chinese, Japanese`."""
        scripts = dict.fromkeys(one.script for one in self.readable)
        return ", ".join(self._describe_script(script) for script in scripts) or "no language"

    def _describe_script(self, script: str) -> str:
        names = [one.name for one in self.readable if one.script == script]
        others = [one.name for one in self.unreadable if one.script == script]
        if script not in _SCRIPT_NAMES or len(names) <= len(others):
            return ", ".join(names)
        return _SCRIPT_NAMES[script] + (f" (not {', '.join(others)})" if others else "")


@runtime_checkable
class HasCharacterSet(Protocol):
    """An engine that can say which characters its model has."""

    @property
    def characters(self) -> AbstractSet[str]:
        """All that it can give."""
        ...


def coverage(characters: AbstractSet[str]) -> Coverage:
    """What can be read with these characters, by the rule of `languages.missing_characters`."""
    languages = all_languages()
    missing = missing_characters(characters | _PUNCTUATION, languages)
    return Coverage(
        tuple(one for one in languages if one.code not in missing),
        tuple(one for one in languages if one.code in missing),
    )
