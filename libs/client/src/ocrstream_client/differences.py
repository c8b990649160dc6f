"""How two results of an image differ."""

import difflib
import re
from dataclasses import dataclass

# Hangul and Chinese characters: what is written without spaces is compared by the character.
_SINGLE = "\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORDS = re.compile(rf"[{_SINGLE}]|[^\s{_SINGLE}]+")
_QUICK_FROM = 5_000
"""From so many words on frequent ones are left out of the search, which would take minutes."""


@dataclass(frozen=True)
class Difference:
    """`similarity`: the share of words that both have, in the same order, from 0 to 1.

    `changes`: lines that only one has, after `- ` the old one's and after `+ ` the new one's.
    """

    similarity: float
    changes: tuple[str, ...]


def difference(old: str, new: str) -> Difference:
    """From the old text to the new one."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = difflib.SequenceMatcher(
        None, before, after, autojunk=len(before) + len(after) > _QUICK_FROM
    )
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    # After the two lines of names; hunks begin with @.
    changes = [f"{line[0]} {line[1:]}" for line in list(lines)[2:] if line[0] in "+-"]
    return Difference(matcher.ratio(), tuple(changes))
