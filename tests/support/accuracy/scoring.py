"""How right a reading of a page is."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from accuracy.edits import count_edits
from accuracy.geometry import Quad
from accuracy.matching import Match, match_lines
from accuracy.normal import normal
from accuracy.overlaps import count_found
from accuracy.truth import Line, Page

DECILES = 10
# A line that is turned is turned by 90 or 180 degrees; a short box's own angle is not so exact.
_TURNED_DEGREES = 60.0


@dataclass(frozen=True)
class ReadBox:
    """What an engine read in one place. A tool that tells no confidence has 1 here."""

    text: str
    confidence: float
    quad: Quad


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one page, or the sums of several.

    `edits` are of the whole text in reading order, `unordered_edits` of each line for itself.
    `words` and `word_edits` are 0 where no blanks part words. `lines_found` and `word_boxes_found`:
    with an IoU of 0.5 or more. `turned_wrongly`, of `lines_matched`: lines that the reader has the
    wrong way up. `deciles`: how many boxes there are in each tenth of confidence, and how many of
    them are right.
    """

    characters: int = 0
    edits: int = 0
    unordered_edits: int = 0
    words: int = 0
    word_edits: int = 0
    lines: int = 0
    lines_found: int = 0
    lines_matched: int = 0
    turned_wrongly: int = 0
    word_boxes: int = 0
    word_boxes_found: int = 0
    deciles: tuple[tuple[int, int], ...] = ((0, 0),) * DECILES

    def __add__(self, other: "Score") -> "Score":
        sums = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__struct_fields__
            if name != "deciles"
        }
        pairs = zip(self.deciles, other.deciles, strict=True)
        deciles = tuple((a + c, b + d) for (a, b), (c, d) in pairs)
        return Score(**sums, deciles=deciles)

    @property
    def cer(self) -> float:
        """Characters wrong in reading order, in percent of those that are there."""
        return _percent(self.edits, self.characters)

    @property
    def unordered_cer(self) -> float:
        """The same line by line, in whatever order they come."""
        return _percent(self.unordered_edits, self.characters)

    @property
    def wer(self) -> float:
        """Words wrong in reading order, in percent."""
        return _percent(self.word_edits, self.words)


def score_page(
    page: Page, read: Sequence[ReadBox], words: Sequence[ReadBox] | None = None
) -> Score:
    """Holds lines against the truth, in the order in which they were given.

    `words`: the same page read by words, or None if it was not.
    """
    true = normal(page.joiner.join(line.text for line in page.lines), page.joiner)
    told = normal(page.joiner.join(box.text for box in read), page.joiner)
    matched = match_lines([line.quad for line in page.lines], [box.quad for box in read])
    spaced = page.joiner != ""
    return Score(
        characters=len(true),
        edits=count_edits(told, true),
        unordered_edits=sum(_match_edits(page, read, match) for match in matched),
        words=len(true.split()) if spaced else 0,
        word_edits=count_edits(told.split(), true.split()) if spaced else 0,
        lines=len(page.lines),
        lines_found=count_found([line.quad for line in page.lines], [box.quad for box in read]),
        **_turns(page.lines, read, matched),
        word_boxes=sum(len(line.words) for line in page.lines) if words is not None else 0,
        word_boxes_found=_words_found(page.lines, words or ()),
        deciles=_calibration(page, read, matched),
    )


def read_wrongly(page: Page, read: Sequence[ReadBox]) -> list[tuple[str, str]]:
    """The true text and what was read of it, where they differ."""
    matched = match_lines([line.quad for line in page.lines], [box.quad for box in read])
    pairs = [_texts(page, read, match) for match in matched]
    return [(true, told) for true, told in pairs if true != told]


def _texts(page: Page, read: Sequence[ReadBox], match: Match) -> tuple[str, str]:
    true = page.joiner.join(page.lines[one].text for one in match.lines)
    told = page.joiner.join(read[one].text for one in match.boxes)
    return normal(true, page.joiner), normal(told, page.joiner)


def _match_edits(page: Page, read: Sequence[ReadBox], match: Match) -> int:
    true, told = _texts(page, read, match)
    return count_edits(told, true)


def _turns(
    lines: Sequence[Line], read: Sequence[ReadBox], matched: Sequence[Match]
) -> dict[str, int]:
    wrong = count = 0
    for match in matched:
        if not match.boxes:
            continue
        for one in match.lines:
            # The longest box says how the line stands: a single character's is a guess.
            box = max((read[other] for other in match.boxes), key=lambda box: len(box.text))
            count += 1
            wrong += _is_turned(lines[one], box.quad)
    return {"lines_matched": count, "turned_wrongly": wrong}


def _is_turned(line: Line, quad: Quad) -> bool:
    true, told = line.quad[1] - line.quad[0], quad[1] - quad[0]
    directions = [true]
    if line.vertical:
        # A column may be told as a line that runs downwards, too.
        directions.append(line.quad[3] - line.quad[0])
    return all(_degrees_between(one, told) > _TURNED_DEGREES for one in directions)


def _degrees_between(one: Quad, other: Quad) -> float:
    cross = one[0] * other[1] - one[1] * other[0]
    return abs(float(np.degrees(np.arctan2(cross, one @ other))))


def _words_found(lines: Sequence[Line], words: Sequence[ReadBox]) -> int:
    quads = [word.quad for line in lines for word in line.words]
    return count_found(quads, [word.quad for word in words])


def _calibration(
    page: Page, read: Sequence[ReadBox], matched: Sequence[Match]
) -> tuple[tuple[int, int], ...]:
    counts = np.zeros((DECILES, 2), dtype=int)
    for match in matched:
        true, _ = _texts(page, read, match)
        for one in match.boxes:
            told = normal(read[one].text, page.joiner)
            right = bool(told) and f"{page.joiner}{told}{page.joiner}" in (
                f"{page.joiner}{true}{page.joiner}"
            )
            decile = min(DECILES - 1, int(read[one].confidence * DECILES))
            counts[decile] += (1, right)
    return tuple((int(count), int(right)) for count, right in counts)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
