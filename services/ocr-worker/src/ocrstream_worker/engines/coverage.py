"""The languages that a model can read, by the characters that it can produce."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ocrstream_worker.engines.languages import Language, all_languages, missing_characters

_SCRIPT_NAMES = {"latin": "Latin alphabets", "cyrillic": "Cyrillic alphabets"}
# A text is readable without them.
_PUNCTUATION = frozenset("¿¡")


@dataclass(frozen=True)
class Coverage:
    """The languages of which a model has nearly all characters, and the others."""

    readable: tuple[Language, ...]
    unreadable: tuple[Language, ...]

    def unreadable_language(self, word: str) -> Language | None:
        """The unreadable language that alone has all letters of the word, or None.

        A model that knows a language in part produces such words, like Greek without its accents. A
        single letter is a symbol, as in formulas, and not a word.
        """
        letters = {one for one in word if one.isalpha()}
        if len(letters) < 2 or any(letters <= one.characters for one in self.readable):
            return None
        return next((one for one in self.unreadable if letters <= one.characters), None)

    def describe(self) -> str:
        """A description like `Latin alphabets (not Vietnamese), Chinese, Japanese`."""
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
    """An engine that knows the characters of its model."""

    @property
    def characters(self) -> AbstractSet[str]:
        """All characters that the model can produce."""
        ...


def coverage(characters: AbstractSet[str]) -> Coverage:
    """The languages that can be read with these characters, by the rule of `missing_characters`."""
    languages = all_languages()
    missing = missing_characters(characters | _PUNCTUATION, languages)
    return Coverage(
        tuple(one for one in languages if one.code not in missing),
        tuple(one for one in languages if one.code in missing),
    )
