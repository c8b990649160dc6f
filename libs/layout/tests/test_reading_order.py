"""In which order pages of known order are read, however they lie."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from layout_kinds import KINDS, drawn
from layout_pages import (
    HEBREW,
    KANJI,
    Page,
    Piece,
    chance,
    downwards,
    fanned,
    jittered,
    mirrored,
    noisy,
    turned,
    upright,
)

from ocrstream_layout import in_reading_order

SEEDS = range(8)


def order(pieces: list[Piece], *, seed: int = 0) -> list[int]:
    """The numbers of the pieces, shuffled first, as they are read."""
    shuffled = chance(seed).sample(pieces, len(pieces))
    read = in_reading_order(shuffled, lambda one: one.corners, lambda one: one.text)
    return [one.number for one in read]


def truth(pieces: list[Piece]) -> list[int]:
    return [one.number for one in pieces]


def followed(pieces: list[Piece]) -> float:
    """The share of pieces that are read right after the one before them."""
    read = order(pieces)
    return sum(b == a + 1 for a, b in pairwise(read)) / max(1, len(read) - 1)


Change = Callable[[list[Piece], random.Random], list[Piece]]

CHANGES: dict[str, Change] = {
    "as it is": lambda pieces, rng: pieces,
    "noise of 10 %": lambda pieces, rng: jittered(pieces, rng, 0.1),
    "corners a tenth off": lambda pieces, rng: noisy(pieces, rng, 0.1),
    "in perspective": lambda pieces, rng: fanned(pieces, rng.uniform(-2, 2)),
    "skewed": lambda pieces, rng: turned(jittered(pieces, rng, 0.05), rng.uniform(-15, 15)),
    "turned by 90": lambda pieces, rng: turned(pieces, 90),
    "turned by 180": lambda pieces, rng: turned(jittered(pieces, rng, 0.1), 180),
    "turned by 270 and skewed": lambda pieces, rng: turned(pieces, 270 + rng.uniform(-10, 10)),
}


@pytest.mark.parametrize("words", [False, True], ids=["lines", "words"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_read_in_their_order(kind: str, change: str, words: bool) -> None:
    """Nearly all of them to the last piece, and none is read crosswise."""
    shares: list[float] = []
    for seed in SEEDS:
        page = drawn(kind, seed, words=words)
        shares.append(followed(CHANGES[change](page.pieces, chance(seed))))
    assert shares.count(1.0) >= len(shares) - 1, shares
    assert min(shares) >= 0.85, shares


@pytest.mark.parametrize("kind", KINDS)
def test_pages_set_from_right_to_left_are_read_from_the_right(kind: str) -> None:
    for seed in SEEDS:
        page = drawn(kind, seed, words=True, alphabet=HEBREW)
        assert followed(mirrored(page.pieces)) >= 0.95, seed


@pytest.mark.parametrize("first_edge_along", [True, False])
def test_vertical_writing_is_read_from_the_right(first_edge_along: bool) -> None:
    for seed in SEEDS:
        page = Page(chance(seed), alphabet=KANJI)
        page.prose(0, 0, 700, 12)
        page.prose(800, 0, 700, 12)  # the lower of two tiers
        vertical = downwards(page.pieces, first_edge_along=first_edge_along)
        assert order(vertical) == truth(page.pieces)


def test_a_tall_box_of_latin_letters_is_a_line_of_a_turned_page() -> None:
    page = drawn("two_columns", 1)
    assert order(downwards(page.pieces, first_edge_along=False)) == truth(page.pieces)


def page_of(*boxes: tuple[str, float, float, float, float]) -> list[Piece]:
    return [Piece(text, upright(*box), at) for at, (text, *box) in enumerate(boxes)]


def test_an_initial_is_read_before_the_first_line_beside_it() -> None:
    lines = [("word word word word", 80.0, 28.0 * at, 500.0, 28.0 * at + 24) for at in range(3)]
    below = [("word word word word", 0.0, 28.0 * at, 500.0, 28.0 * at + 24) for at in range(3, 8)]
    pieces = page_of(("W", 0, 1, 70, 79), *lines, *below)
    assert order(pieces) == truth(pieces)


def test_subscripts_and_superscripts_stay_in_their_line() -> None:
    pieces = page_of(
        ("some water", 0, 0, 120, 24),
        ("2", 122, 14, 132, 28),
        ("and an area", 136, 0, 300, 24),
        ("2", 301, -6, 311, 10),
        ("below", 318, 0, 380, 24),
        ("the next line of it all", 0, 30, 380, 54),
    )
    assert order(pieces) == truth(pieces)


def test_lines_that_reach_into_each_other_stay_lines() -> None:
    pieces = page_of(
        *(("words of a line", 0.0, 20.0 * at, 300.0, 20.0 * at + 30) for at in range(9))
    )
    assert order(pieces) == truth(pieces)


def test_a_line_in_pieces_is_read_in_one_go() -> None:
    pieces = page_of(
        ("first line of", 0, 0, 180, 24),
        ("several", 195, 3, 300, 27),
        ("pieces", 320, 7, 420, 31),
        ("second line", 0, 31, 420, 55),
    )
    assert order(pieces) == truth(pieces)


def test_words_of_another_direction_keep_theirs_within_a_line() -> None:
    """As they are set: the line from the right, its two Latin words from the left."""
    pieces = page_of(
        ("שלום", 300, 0, 360, 24),
        ("hello", 200, 0, 245, 24),
        ("world", 250, 0, 295, 24),
        ("עולם", 130, 0, 190, 24),
        ("שורה שניה של טקסט", 100, 30, 360, 54),
    )
    assert order(pieces) == truth(pieces)
    pieces = page_of(
        ("a line", 0, 0, 60, 24),
        ("עולם", 140, 0, 190, 24),
        ("שלום", 70, 0, 130, 24),
        ("goes on", 200, 0, 300, 24),
    )
    assert order(pieces) == truth(pieces)


def test_a_line_turned_against_the_page_joins_no_other() -> None:
    page = Page(chance(3))
    page.prose(100, 100, 900, 20)
    number = len(page.pieces)
    stamp = Piece("a stamp in the margin", ((20, 600), (20, 300), (50, 300), (50, 600)), number)
    read = order([*page.pieces, stamp])
    assert [one for one in read if one != number] == truth(page.pieces)
    upside_down = [
        Piece(one.text, (*one.corners[2:], *one.corners[:2]), one.number)
        if one.number in (4, 11)
        else one
        for one in page.pieces
    ]
    assert order(upside_down) == truth(page.pieces)


def test_columns_stay_whole_whose_lines_fill_each_others_gaps() -> None:
    page = Page(chance("loose"))
    page.prose(0, 0, 400, 9, leading=2.6)
    page.prose(500, 26, 400, 9, leading=2.6)
    assert order(page.pieces) == truth(page.pieces)
