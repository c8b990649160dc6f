"""Scoring of pages whose text is known, but not where it stands: scans that people transcribed."""

from collections import Counter
from collections.abc import Sequence

from accuracy.edits import count_edits
from accuracy.normal import normal
from accuracy.scoring import Score


def score_text(true: Sequence[str], read: Sequence[str], joiner: str) -> Score:
    """Holds lines of text against the true ones, in their order and without one."""
    true_text, read_text = (normal(joiner.join(lines), joiner) for lines in (true, read))
    spaced = joiner != ""
    return Score(
        characters=len(true_text),
        edits=count_edits(read_text, true_text),
        unordered_edits=_unordered_edits(
            true_text.split() if spaced else [normal(line, joiner) for line in true],
            read_text.split() if spaced else [normal(line, joiner) for line in read],
        ),
        words=len(true_text.split()) if spaced else 0,
        word_edits=count_edits(read_text.split(), true_text.split()) if spaced else 0,
        lines=len(true),
    )


def _unordered_edits(true: Sequence[str], read: Sequence[str]) -> int:
    """Edits between words (or lines, where no blanks part words), wherever they stand.

    Equal ones make pairs, then those that are most alike; what is left over counts whole.
    """
    missing = list((Counter(true) - Counter(read)).elements())
    added = list((Counter(read) - Counter(true)).elements())
    costs = sorted(
        (count_edits(told, word), one, other)
        for one, word in enumerate(missing)
        for other, told in enumerate(added)
    )
    edits = 0
    for cost, one, other in costs:
        if missing[one] and added[other]:
            edits += cost
            missing[one] = added[other] = ""
    return edits + sum(map(len, missing)) + sum(map(len, added))
