"""What holds of every page, whatever is on it."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_kinds import KINDS, drawn
from layout_pages import Corners, Piece, chance, jittered, scaled, turned, upright

from ocrstream_layout import in_reading_order

numbers = st.floats() | st.integers(-(10**400), 10**400)
any_polygon = st.lists(st.lists(numbers, max_size=3), max_size=6)
texts = st.text(max_size=6) | st.sampled_from(["word", "שלום", "日本語", "12.50", " "])


def box(left: int, top: int, width: int, height: int) -> Corners:
    return upright(left, top, left + width, top + height)


sides = st.integers(1, 60)
boxes = st.builds(box, st.integers(0, 300), st.integers(0, 300), sides, sides)
pages = st.lists(st.tuples(texts, boxes), max_size=40, unique_by=lambda one: one[1]).map(
    lambda found: [Piece(text, corners, at) for at, (text, corners) in enumerate(found)]
)


def read(pieces: list[Piece]) -> list[int]:
    ordered = in_reading_order(pieces, lambda one: one.corners, lambda one: one.text)
    return [one.number for one in ordered]


@given(st.lists(st.tuples(texts, any_polygon), max_size=25), st.booleans())
def test_none_is_lost_and_nothing_is_raised(found: list[tuple[str, Any]], told: bool) -> None:
    pieces = [(at, text, polygon) for at, (text, polygon) in enumerate(found)]
    ordered = in_reading_order(pieces, lambda one: one[2], (lambda one: one[1]) if told else None)
    assert sorted(at for at, _, _ in ordered) == list(range(len(pieces)))


@given(pages, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(pieces: list[Piece], rng: random.Random) -> None:
    ordered = read(pieces)
    assert read(rng.sample(pieces, len(pieces))) == ordered
    assert read([pieces[at] for at in ordered]) == ordered


@given(pages, st.sampled_from([0.25, 2.0, 1024.0]), st.integers(-99, 99), st.integers(-99, 99))
def test_size_and_place_do_not_matter(
    pieces: list[Piece], factor: float, right: int, down: int
) -> None:
    assert read(scaled(pieces, factor, right, down)) == read(pieces)


@given(pages, st.sampled_from([90, 180, 270]))
def test_a_turn_by_right_angles_does_not_matter(pieces: list[Piece], degrees: int) -> None:
    """With texts that stand upright in their boxes; others say themselves how they are turned."""
    plain = [Piece("", one.corners, one.number) for one in pieces]
    assert read(turned(plain, degrees)) == read(plain)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_turn_nor_size_matter_to_a_page_of_text(kind: str) -> None:
    rng = chance(kind)
    pieces = jittered(drawn(kind, 0, words=True).pieces, rng, 0.15)
    ordered = read(pieces)
    for degrees in (90, 180, 270):
        assert read(turned(pieces, degrees)) == ordered
    assert read(scaled(pieces, rng.uniform(0.1, 10), 1e3 * rng.random(), -77.7)) == ordered
