"""How readings of known pages are scored: right ones have no errors, wrong ones the known ones."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from accuracy.edits import count_edits
from accuracy.geometry import upright
from accuracy.matching import match_lines
from accuracy.normal import normal
from accuracy.real_text import score_text
from accuracy.scoring import ReadBox, Score, score_page
from accuracy.truth import Line, Page, Word
from hypothesis import given
from hypothesis import strategies as st

TEXTS = ("The first line", "and a second", "Sum 12.50")


def line(text: str, left: float, top: float, vertical: bool = False) -> Line:
    """Words of ten pixels a character, twenty high."""
    words: list[Word] = []
    x = left
    for word in text.split():
        words.append(Word(word, upright(x, top, x + 10 * len(word), top + 20)))
        x += 10 * (len(word) + 1)
    return Line(text, upright(left, top, left + 10 * len(text), top + 20), tuple(words), vertical)


def page(*lines: Line, joiner: str = " ") -> Page:
    return Page("page", "", b"", ".png", lines, joiner)


PAGE = page(*(line(text, 30, 40 * number) for number, text in enumerate(TEXTS)))


def perfect(of: Page = PAGE) -> list[ReadBox]:
    return [ReadBox(line.text, 0.95, line.quad) for line in of.lines]


def words(of: Page = PAGE) -> list[ReadBox]:
    return [ReadBox(word.text, 0.9, word.quad) for line in of.lines for word in line.words]


def test_a_perfect_reading_has_no_errors() -> None:
    score = score_page(PAGE, perfect(), words())
    assert score == Score(
        characters=len(" ".join(TEXTS)),
        words=8,
        lines=3,
        lines_found=3,
        lines_matched=3,
        word_boxes=8,
        word_boxes_found=8,
        deciles=((0, 0),) * 9 + ((3, 3),),
    )
    assert (score.cer, score.unordered_cer, score.wer) == (0, 0, 0)


def test_nothing_read_is_everything_wrong() -> None:
    score = score_page(PAGE, [], [])
    assert (score.cer, score.wer, score.lines_found, score.lines_matched) == (100, 100, 0, 0)
    assert score.unordered_edits == sum(map(len, TEXTS))


def test_one_letter() -> None:
    read = perfect()
    read[1] = replace(read[1], text="and a sec0nd")
    score = score_page(PAGE, read)
    assert (score.edits, score.unordered_edits, score.word_edits) == (1, 1, 1)
    assert score.deciles[9] == (3, 2)


def test_another_order_is_wrong_in_order_alone() -> None:
    score = score_page(PAGE, perfect()[::-1])
    assert score.edits > 10
    assert score.unordered_edits == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_lines_the_other_way_up_are_counted(turns: int) -> None:
    read = [replace(box, quad=np.roll(box.quad, turns, axis=0)) for box in perfect()]
    assert score_page(PAGE, read).turned_wrongly == 3
    slanted = [replace(box, quad=box.quad @ rotation(40)) for box in perfect()]
    moved = page(*(replace(line, quad=line.quad @ rotation(40)) for line in PAGE.lines))
    assert score_page(moved, slanted).turned_wrongly == 0


def rotation(degrees: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([(cosine, sine), (-sine, cosine)])


def test_a_column_may_be_told_as_running_downwards_but_not_upwards() -> None:
    column = Line("縦書き", upright(10, 10, 30, 70), (), vertical=True)
    of = page(column, joiner="")
    for turns, wrong in ((0, 0), (-1, 0), (1, 1), (2, 1)):
        box = ReadBox("縦書き", 1.0, np.roll(column.quad, turns, axis=0))
        assert score_page(of, [box]).turned_wrongly == wrong


def test_a_mirrored_page_is_noticed() -> None:
    read = [replace(box, text=box.text[::-1]) for box in perfect()]
    assert score_page(PAGE, read).unordered_cer > 60


def test_pieces_of_a_line_are_put_together_along_it() -> None:
    last, *others = reversed(perfect())
    pieces = [
        ReadBox("12.50", 0.9, upright(70, 80, 120, 100)),
        ReadBox("Sum", 0.9, upright(30, 80, 60, 100)),
    ]
    score = score_page(PAGE, [*reversed(others), *pieces])
    assert last.text == "Sum 12.50"
    assert score.unordered_edits == 0
    assert score.edits > 0


def test_cells_that_were_read_as_one_line_are_no_error() -> None:
    cells = page(line("Bread", 30, 0), line("2.50", 300, 0), line("Milk", 30, 40))
    read = [
        ReadBox("Bread 2.50", 0.99, upright(30, 0, 340, 20)),
        ReadBox("Milk", 0.99, upright(30, 40, 70, 60)),
    ]
    score = score_page(cells, read)
    assert (score.edits, score.unordered_edits) == (0, 0)
    assert score.lines_found == 1


def test_what_stands_nowhere_counts_as_added() -> None:
    ghost = ReadBox("ghost", 0.35, upright(500, 500, 600, 520))
    score = score_page(PAGE, [*perfect(), ghost])
    assert (score.edits, score.unordered_edits) == (len(" ghost"), len("ghost"))
    assert score.deciles[3] == (1, 0)


def test_a_box_in_another_place_finds_no_line() -> None:
    read = [replace(box, quad=box.quad + np.array([0, 11])) for box in perfect()]
    score = score_page(PAGE, read)
    assert (score.lines_found, score.unordered_edits) == (0, 0)
    near = [replace(box, quad=box.quad + np.array([0, 5])) for box in perfect()]
    assert score_page(PAGE, near).lines_found == 3


def test_a_line_is_found_once() -> None:
    score = score_page(PAGE, [*perfect(), *perfect()])
    assert score.lines_found == 3
    assert score.unordered_cer > 90


def test_every_line_and_box_is_in_one_match() -> None:
    lines = [upright(0, 0, 100, 20), upright(0, 30, 100, 50), upright(0, 60, 100, 80)]
    boxes = [upright(0, 0, 100, 50), upright(50, 60, 100, 80), upright(0, 60, 50, 80)]
    matches = match_lines(lines, [*boxes, upright(300, 0, 400, 20)])
    assert [(match.lines, match.boxes) for match in matches] == [
        ((0, 1), (0,)),
        ((2,), (2, 1)),
        ((), (3,)),
    ]


def test_chinese_and_japanese_have_no_blanks() -> None:
    of = page(line("日本語", 0, 0), line("二行目", 0, 40), joiner="")
    read = [replace(box, text=" ".join(box.text)) for box in perfect(of)]
    score = score_page(of, read)
    assert (score.characters, score.edits, score.words, score.wer) == (6, 0, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a  b\n", "a b"),
        ("\uff11\uff12\uff0c5", "12,5"),
        ("\u201cyes\u201d \u2018no\u2019", "\"yes\" 'no'"),
        ("9\u201317", "9-17"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u200fab", "ab"),
    ],
)
def test_the_same_text(one: str, other: str) -> None:
    assert normal(one, " ") == normal(other, " ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A", "a"),
        ("O", "0"),
        ("l", "1"),
        ("é", "e"),
        ("a b", "ab"),
        ("²", "2"),
        (".", ","),
        ("ß", "ss"),
    ],
)
def test_another_text(one: str, other: str) -> None:
    assert normal(one, " ") != normal(other, " ")


def test_edits_of_known_words() -> None:
    known = {("kitten", "sitting"): 3, ("", "abc"): 3, ("abc", ""): 3, ("flaw", "lawn"): 2}
    assert {pair: count_edits(*pair) for pair in known} == known
    assert count_edits(["the", "old", "man"], ["the", "man"]) == 1


@given(st.text("ab ", max_size=9), st.text("abc", max_size=9))
def test_edits_are_those_of_the_definition(one: str, other: str) -> None:
    @cache
    def by_definition(first: int, second: int) -> int:
        if not first or not second:
            return first + second
        same = by_definition(first - 1, second - 1) + (one[first - 1] != other[second - 1])
        return min(same, by_definition(first - 1, second) + 1, by_definition(first, second - 1) + 1)

    assert count_edits(one, other) == by_definition(len(one), len(other))


def test_text_without_places() -> None:
    right = score_text(TEXTS, TEXTS, " ")
    assert (right.edits, right.unordered_edits, right.word_edits) == (0, 0, 0)
    swapped = score_text(TEXTS, TEXTS[::-1], " ")
    assert swapped.edits > 0
    assert swapped.unordered_edits == 0
    misread = score_text(TEXTS, ["Sum 12.5O", "The first line", "and a second", "x"], " ")
    assert misread.unordered_edits == 2
    alike = score_text(["aa", "abcd"], ["abce", "a"], " ")
    assert alike.unordered_edits == 2
    assert score_text(["日本", "語"], ["日", "本語"], "").edits == 0


def test_scores_add_up() -> None:
    make: Callable[[], Score] = lambda: score_page(PAGE, perfect()[:2])  # noqa: E731
    total = make() + make()
    assert total.characters == 2 * make().characters
    assert total.cer == make().cer
    assert total.deciles[9] == (4, 4)
