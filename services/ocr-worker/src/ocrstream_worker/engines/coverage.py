"""What a model reads, from the characters that it can give at all."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ocrstream_worker.engines.languages import Language, all_languages, lacking

_SCRIPT_NAMES = {"latin": "Latin alphabets", "cyrillic": "Cyrillic alphabets"}
# A text without them can be read.
_PUNCTUATION = frozenset("¿¡")


@dataclass(frozen=True)
class Coverage:
    """The languages whose letters a model has, nearly all of them, and the others.

    `half_known`: letters that it has of the others alone, each with the first language that it is
    of. They are what it gives for a text in one of these: Greek without its accents.
    """

    readable: tuple[Language, ...]
    unreadable: tuple[Language, ...]
    half_known: dict[str, Language]

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


def coverage(characters: AbstractSet[str]) -> Coverage:
    """What can be read with these characters, by the rule of `languages.lacking`."""
    languages = all_languages()
    missing = lacking(characters | _PUNCTUATION, languages)
    readable = tuple(one for one in languages if one.code not in missing)
    unreadable = tuple(one for one in languages if one.code in missing)
    known = frozenset[str]().union(*(one.characters for one in readable))
    return Coverage(
        readable,
        unreadable,
        {
            letter: one
            for one in reversed(unreadable)
            for letter in (one.characters & characters) - known - _PUNCTUATION
        },
    )
