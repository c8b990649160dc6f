"""Compares two texts of an image."""

import difflib
import re
from dataclasses import dataclass

# Scripts without spaces between words (Hangul, Chinese) are compared by the character.
_SINGLE = "\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORDS = re.compile(rf"[{_SINGLE}]|[^\s{_SINGLE}]+")
_AUTOJUNK_FROM = 5_000
"""From so many words on difflib ignores frequent words, because it would take minutes."""


@dataclass(frozen=True)
class Difference:
    """The difference between two texts.

    `similarity` is the share of words that both have in the same order, from 0 to 1. `changes` are
    the lines that only one has: the old text's after `- `, the new text's after `+ `.
    """

    similarity: float
    changes: tuple[str, ...]


def difference(old: str, new: str) -> Difference:
    """Compares the old text with the new one."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = difflib.SequenceMatcher(
        None, before, after, autojunk=len(before) + len(after) > _AUTOJUNK_FROM
    )
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    # The first two lines are file names; a hunk begins with @.
    changes = [f"{line[0]} {line[1:]}" for line in list(lines)[2:] if line[0] in "+-"]
    return Difference(matcher.ratio(), tuple(changes))
