"""The order in which a PDF's content has the characters of a line, and their places in it.

Readers take a page's characters for glyphs that stand from left to right, and reverse what is
written from right to left. No two do it alike. PDFium, which Chrome shows PDFs with, goes by the
order of the content. Poppler goes by the places. So the order is the one that PDFium turns into
the text again, and the places are those of the Unicode Bidirectional Algorithm (UAX #9), by which
the text was printed.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

# Brackets and signs that are mirrored in text from right to left, each beside its other form.
_PAIRS = "()[]{}<>«»\u2039\u203a≤≥"
_MIRRORED = str.maketrans(_PAIRS[::2] + _PAIRS[1::2], _PAIRS[1::2] + _PAIRS[::2])


class _Kind(Enum):
    LEFT = auto()  # letters that run from left to right
    RIGHT = auto()  # letters that run from right to left
    WEAK = auto()  # digits with their separators, combining marks
    NEUTRAL = auto()


_KINDS = {
    "L": _Kind.LEFT,
    "R": _Kind.RIGHT,
    "AL": _Kind.RIGHT,
    **dict.fromkeys(("EN", "AN", "NSM", "CS", "ES", "ET", "BN"), _Kind.WEAK),
}
_Segment = tuple[_Kind, str]


@dataclass(frozen=True)
class Run:
    """Characters that stand together, from left to right; `place` counts runs from the left."""

    text: str
    place: int


def is_right_to_left(text: str) -> bool:
    """Whether PDFium reads a line with this text from right to left.

    It does if the line has more runs of such letters than of others; for older versions the same
    number is enough.
    """
    if text.isascii():
        return False
    kinds = [kind for kind, _ in _segments(text)]
    return kinds.count(_Kind.RIGHT) > kinds.count(_Kind.LEFT)


def runs_in_content_order(text: str, *, right_to_left: bool) -> list[Run]:
    """The text's runs, in the order of the content; `right_to_left` is that of the whole line."""
    if not right_to_left and text.isascii():
        return [Run(text, 0)]
    segments = _segments(text)
    runs = list(map(Run, _shown(segments, right_to_left=right_to_left), _places(segments)))
    if right_to_left:
        runs.reverse()
    if any(map(_seem_apart, runs, runs[1:])):
        return [Run(run.text, place) for place, run in enumerate(runs)]
    return runs


def _seem_apart(run: Run, following: Run) -> bool:
    """Whether PDFium sees a blank where none is, because a run begins right of the one before."""
    blank = run.text.endswith(" ") or following.text.startswith(" ")
    return following.place > run.place + 1 and not blank


def _segments(text: str) -> list[_Segment]:
    """PDFium's: characters of one kind that follow each other."""

    def kind(character: str) -> _Kind:
        return _KINDS.get(unicodedata.bidirectional(character), _Kind.NEUTRAL)

    return [(one, "".join(characters)) for one, characters in groupby(text, kind)]


def _shown(segments: Sequence[_Segment], *, right_to_left: bool) -> Iterator[str]:
    """Each segment from left to right, as PDFium reverses it, which mirrors brackets, too."""
    for kind, text in segments:
        if kind is _Kind.RIGHT or (kind is _Kind.NEUTRAL and right_to_left):
            right_to_left = True
            yield text[::-1].translate(_MIRRORED)
        else:
            right_to_left = right_to_left and kind is _Kind.WEAK
            yield text


def _places(segments: Sequence[_Segment]) -> list[int]:
    """The place of each segment, counted from the left."""
    levels = _levels(segments)
    order = list(range(len(segments)))
    for level in range(max(levels), 0, -1):
        order = _reversed_from(level, order, levels)
    return sorted(order, key=order.__getitem__)


def _reversed_from(level: int, order: Sequence[int], levels: Sequence[int]) -> list[int]:
    """Rule L2: what follows each other with this level or a higher one is reversed."""
    groups = groupby(order, lambda at: levels[at] >= level)
    return [at for high, group in groups for at in (reversed([*group]) if high else group)]


def _levels(segments: Sequence[_Segment]) -> list[int]:
    """The level of each segment: even from left to right, odd from right to left."""
    base = _base(segments)
    sides = _sides(segments, right_to_left=base)
    levels: list[int] = []
    for at, (kind, _) in enumerate(segments):
        side = sides[at]
        if side is None:  # rules N1 and N2: that of both its neighbours, or the line's
            before = next((one for one in sides[at::-1] if one is not None), base)
            after = next((one for one in sides[at:] if one is not None), base)
            side = before if before == after else base
        # A number stands from left to right among letters that run from right to left.
        levels.append((2 if kind is _Kind.WEAK and sides[at] else 1) if side else 2 * base)
    return levels


def _base(segments: Sequence[_Segment]) -> bool:
    """Whether the line runs from right to left: like most of its words, or like its first."""
    strong = [kind for kind, _ in segments if kind in {_Kind.LEFT, _Kind.RIGHT}]
    right, left = strong.count(_Kind.RIGHT), strong.count(_Kind.LEFT)
    return right > left or (right == left and strong[:1] == [_Kind.RIGHT])


def _sides(segments: Sequence[_Segment], *, right_to_left: bool) -> list[bool | None]:
    """Whether each segment belongs to text from right to left; None if nothing in it tells."""
    letters = right_to_left
    sides: list[bool | None] = []
    for kind, text in segments:
        if kind is _Kind.LEFT or kind is _Kind.RIGHT:
            letters = kind is _Kind.RIGHT
            sides.append(letters)
        else:
            # Rules W1 and W7: marks and numbers go with the letters before them.
            tells = any(unicodedata.category(one) in {"Nd", "Mn"} for one in text)
            sides.append(letters if tells and kind is _Kind.WEAK else None)
    return sides
